// DataLoader: batches of a data set, in a new random order each epoch.
//
//   data::DataLoader loader(train, {.batch_size = 32, .seed = 1});
//   for (int epoch = 0; epoch < 20; ++epoch)
//     for (auto [x, y] : loader) { … }
//
// The seed and the number of the epoch alone decide the order. A loader can go on in the middle of
// an epoch, see state_dict(). One thread at a time may use a loader. Copies of a loader share its
// transform. Legend: N samples, D features.
#pragma once

#include <descent/data/dataset.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace descent::data {

/// Some samples and their targets: copies, in new memory.
struct Batch {
  Tensor x{};  ///< (n, …), n samples
  Tensor y{};  ///< (n, …), their targets
};

/// Options of DataLoader.
struct LoaderOptions {
  std::int64_t batch_size = 32;  ///< samples in a batch
  bool shuffle = true;           ///< a new order for each epoch
  std::uint64_t seed = 0;        ///< decides the orders
  bool drop_last = false;        ///< leave out a last batch that is smaller
  /// Changes each batch before it is given out, as noise on x; empty: nothing does. While it runs,
  /// its thread's default_generator() is one of the seed, the epoch and the batch, so that random
  /// numbers repeat with the run and resume with it.
  std::function<Batch(Batch)> transform{};
  /// While a batch is in use, a thread prepares the next one. Batches, order and bits are the same;
  /// the transform runs on that thread, for one batch at a time. It pays if the transform takes
  /// longer than a thread takes to start (about 30 µs).
  bool prefetch = false;
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
      : DataLoader(d.x, d.y, std::move(options)) {}

  /// A place in an epoch. The loader must outlive the iterator and must not be moved meanwhile.
  class Iterator {
   public:
    /// Copies the batch out of the data set. The loader counts the batch as used. Throws ValueError
    /// behind the last batch, ShapeError if the transform gives x and y of different numbers of
    /// rows, and what the transform throws.
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
    Iterator(DataLoader* loader, Tensor order, std::int64_t epoch, std::int64_t batch)
        : loader_(loader), order_(std::move(order)), epoch_(epoch), batch_(batch) {}
    DataLoader* loader_;  // must outlive the iterator
    Tensor order_;        // (N) int64; undefined when not shuffled
    std::int64_t epoch_, batch_;
  };

  /// Starts the next epoch, and gives its first batch. After load_state_dict() in the middle of an
  /// epoch, goes on with that epoch, and gives the first batch that was not used.
  Iterator begin();
  /// The end of every epoch.
  Iterator end() { return {this, Tensor(), epoch_, batches()}; }
  /// The number of batches in an epoch. Dataset::size() counts samples.
  std::int64_t batches() const;
  /// Number of epochs begun so far.
  std::int64_t epoch() const { return epoch_; }
  /// Sets the number of epochs begun so far. A run that is resumed then continues with the same
  /// orders as without the interruption. Throws ValueError below 0 or above 2^53.
  void set_epoch(std::int64_t epoch);
  /// Number of epochs of which every batch was used, or that were left for the next epoch. A loop
  /// that asks `while (loader.finished_epochs() < 20)` can be resumed at any batch.
  std::int64_t finished_epochs() const { return epoch_ - (used_ < batches() ? 1 : 0); }

  /// The place in the present epoch, with what identifies the data and the order.
  std::map<std::string, Tensor> state_dict() const;
  /// Goes on at the place that state_dict() told. Throws StateError if the numbers of samples, the
  /// batch size, the seed or an option differ. Then nothing changes.
  void load_state_dict(const std::map<std::string, Tensor>& state);

 private:
  /// What every batch is made of. A thread that prepares a batch shares it.
  struct Source {
    Tensor x, y;
    LoaderOptions options;
    /// Batch `batch` of an epoch with this order.
    Batch prepare(const Tensor& order, std::int64_t epoch, std::int64_t batch) const;
  };
  struct Ahead;  // the batch that a thread prepares

  std::shared_ptr<const Source> source_;
  std::shared_ptr<Ahead> ahead_;
  std::int64_t epoch_ = 0;  // begun so far
  std::int64_t used_;       // batches that were used in the present epoch
  bool resumed_ = false;    // true if begin() goes on with the present epoch
};

}  // namespace descent::data
