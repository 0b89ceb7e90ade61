// DataLoader: batches of a dataset, in a new random order each epoch.
//
//   data::DataLoader loader(train, {.batch_size = 32, .seed = 1});
//   for (int epoch = 0; epoch < 20; ++epoch)
//     for (auto [x, y] : loader) { … }
//
// The order depends on the seed and the number of the epoch alone.
#pragma once

#include <descent/data/dataset.h>

namespace descent::data {

struct Batch {
  Tensor x, y;
};

struct LoaderOptions {
  std::int64_t batch_size = 32;
  bool shuffle = true;
  std::uint64_t seed = 0;
  bool drop_last = false;  ///< leave out a last batch that is smaller
};

class DataLoader {
 public:
  /// x and y have as many rows. Throws ValueError for a batch size below 1 or no samples.
  DataLoader(Tensor x, Tensor y, LoaderOptions options = {});
  explicit DataLoader(const Dataset& d, LoaderOptions options = {})
      : DataLoader(d.x, d.y, options) {}

  class Iterator {
   public:
    Batch operator*() const;
    Iterator& operator++() {
      ++batch_;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return batch_ != o.batch_; }

   private:
    friend class DataLoader;
    Iterator(const DataLoader* loader, Tensor order, std::int64_t batch)
        : loader_(loader), order_(std::move(order)), batch_(batch) {}
    const DataLoader* loader_;
    Tensor order_;  // (N) int64; undefined when not shuffled
    std::int64_t batch_;
  };

  /// Starts the next epoch.
  Iterator begin();
  Iterator end() const { return {this, Tensor(), batches()}; }
  /// Batches in an epoch.
  std::int64_t batches() const;
  /// Epochs begun; setting it lets a resumed run see the order it would have seen.
  std::int64_t epoch() const { return epoch_; }
  void set_epoch(std::int64_t epoch) { epoch_ = epoch; }

 private:
  Tensor x_, y_;
  LoaderOptions options_;
  std::int64_t epoch_ = 0;
};

}  // namespace descent::data
