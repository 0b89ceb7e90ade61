// DataLoader: batches of a data set, in a new random order each epoch.
//
//   data::DataLoader loader(train, {.batch_size = 32, .seed = 1});
//   for (int epoch = 0; epoch < 20; ++epoch)
//     for (auto [x, y] : loader) { … }
//
// The seed and the number of the epoch alone decide the order. Legend: N samples, D features.
#pragma once

#include <descent/data/dataset.h>

namespace descent::data {

/// Some samples and their targets: copies, in new memory.
struct Batch {
  Tensor x;  ///< (n, …), n samples
  Tensor y;  ///< (n, …), their targets
};

/// Options of DataLoader.
struct LoaderOptions {
  std::int64_t batch_size = 32;  ///< samples in a batch
  bool shuffle = true;           ///< a new order for each epoch
  std::uint64_t seed = 0;        ///< decides the orders
  bool drop_last = false;        ///< leave out a last batch that is smaller
};

/// Gives the batches of a data set; each call of begin() starts an epoch.
class DataLoader {
 public:
  /// Loads from x (N, …) and y (N, …), which are shared and not copied. Throws ShapeError if x and
  /// y have different numbers of rows. Throws ValueError for a batch size below 1, or if an epoch
  /// would have no batch.
  DataLoader(Tensor x, Tensor y, LoaderOptions options = {});
  /// The same for the x and y of a data set.
  explicit DataLoader(const Dataset& d, LoaderOptions options = {})
      : DataLoader(d.x, d.y, options) {}

  /// A place in an epoch. The loader must outlive the iterator and must not be moved meanwhile.
  class Iterator {
   public:
    /// Copies the batch out of the data set.
    Batch operator*() const;
    /// Goes to the next batch.
    Iterator& operator++() {
      ++batch_;
      return *this;
    }
    /// True if the two iterators are at different batches.
    bool operator!=(const Iterator& o) const { return batch_ != o.batch_; }

   private:
    friend class DataLoader;
    Iterator(const DataLoader* loader, Tensor order, std::int64_t batch)
        : loader_(loader), order_(std::move(order)), batch_(batch) {}
    const DataLoader* loader_;  // must outlive the iterator
    Tensor order_;              // (N) int64; undefined when not shuffled
    std::int64_t batch_;
  };

  /// Starts the next epoch, and gives its first batch.
  Iterator begin();
  /// The end of every epoch.
  Iterator end() const { return {this, Tensor(), batches()}; }
  /// The number of batches in an epoch. Dataset::size() counts samples.
  std::int64_t batches() const;
  /// Number of epochs begun so far.
  std::int64_t epoch() const { return epoch_; }
  /// Sets the number of epochs begun so far. A run that is resumed then continues with the same
  /// orders as without the interruption.
  void set_epoch(std::int64_t epoch) { epoch_ = epoch; }

 private:
  Tensor x_, y_;
  LoaderOptions options_;
  std::int64_t epoch_ = 0;
};

}  // namespace descent::data
