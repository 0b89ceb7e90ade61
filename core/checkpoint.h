// Checkpoint: everything that a training run needs to go on after an interruption, in a folder.
//
//   Checkpoint checkpoint("run", {.keep = 3});
//   checkpoint.add("model", model);
//   checkpoint.add("optimizer", optimizer);
//   checkpoint.add("loader", loader);
//   checkpoint.load();  // goes on where the last run ended, if there was one
//   while (loader.finished_epochs() < 20) {
//     for (auto [x, y] : loader) train_on(x, y);
//     checkpoint.save(validation_loss());
//   }
//
// The run goes on with the same bits as without the interruption, if every object that changes is a
// part. The calling thread's default generator is always a part. A program may also call save()
// after a batch: the loader then goes on with the next batch. Such a program keeps as a part how
// many epochs it has judged, so that it judges every epoch once. A schedule is code and is not
// saved: the program makes the optimizer with the same schedule, and the optimizer's count of steps
// gives the place in the schedule.
#pragma once

#include <descent/core/archive.h>
#include <descent/core/random.h>
#include <descent/core/tensor.h>

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace descent {

/// What has a state: modules, optimizers, loaders, EarlyStopping, ReduceOnPlateau and a user's own
/// classes. If load_state_dict() throws, it changes nothing.
template <class T>
concept HasState = requires(T& part, const std::map<std::string, Tensor>& state) {
  { part.state_dict() } -> std::convertible_to<std::map<std::string, Tensor>>;
  part.load_state_dict(state);
};

/// Options of Checkpoint.
struct CheckpointOptions {
  std::int64_t keep = 3;  ///< files that are kept: the last ones, and besides them the best one
  bool maximize = false;  ///< true if a larger metric is better
  /// Text that decides the run, by name: {{"lr", "0.1"}}. load() refuses a file with other text.
  std::map<std::string, std::string> settings{};
};

/// Saves a training run into a folder, and goes on from there. Each file is a safetensors file with
/// a checksum, `checkpoint-000001.safetensors` and so on. One program at a time may use a folder.
class Checkpoint {
 public:
  /// Makes the folder if there is none. Throws FileError if the folder cannot be made or written
  /// into, and ValueError if `keep` is below 1.
  explicit Checkpoint(std::string folder, CheckpointOptions options = {});

  /// Adds a part under a name of its own. The part must outlive the checkpoint, and must not be
  /// moved. Throws ValueError for a name that is taken, is empty or has a slash.
  /// @{
  template <HasState T>
  void add(std::string name, T& part) {
    add_part({std::move(name), [&part] { return part.state_dict(); },
              [&part](const State& state) { part.load_state_dict(state); }});
  }
  void add(std::string name, Generator& part);     ///< a generator of random numbers
  void add(std::string name, Tensor& part);        ///< a tensor that load() replaces, of any shape
  void add(std::string name, std::int64_t& part);  ///< a count
  void add(std::string name, double& part);        ///< a number
  /// @}

  /// Writes a file with the states of all parts, and removes files that are no longer kept. The
  /// metric says how good this state is, for load_best(); NaN says nothing. If the file cannot be
  /// written, throws FileError and removes nothing. Throws FileError if the folder has files of an
  /// earlier run and load() was not called: the files of two runs must not mix.
  void save(double metric = std::numeric_limits<double>::quiet_NaN());
  /// Loads the newest file, and returns true. Returns false if there is no file. If a file is
  /// damaged, logs a warning that names the file, and takes the file before. Throws FileError if
  /// all files are damaged, or if a newer version of Descent wrote the file. Throws StateError if
  /// the parts or settings differ from those of the file. If load() throws, no part has changed.
  bool load();
  /// Does the same with the file of the best metric so far. Returns false if no metric was given.
  bool load_best();
  /// True if the folder has files, also damaged ones.
  bool exists() const { return !numbers().empty(); }
  /// Removes the files, for example after the run has ended.
  void clear();

  /// The best metric of save() so far; NaN if there is none.
  double best() const { return best_metric_; }
  const std::string& folder() const { return folder_; }  ///< as given to the constructor

 private:
  using State = std::map<std::string, Tensor>;
  struct Part {
    std::string name;
    std::function<State()> save;
    std::function<void(const State&)> load;
  };

  void add_part(Part part);
  std::vector<std::int64_t> numbers() const;  // of the files, rising
  std::string path_of(std::int64_t number) const;
  struct File {
    std::string path;
    Archive contents;
  };
  File read(std::int64_t number) const;
  std::optional<File> newest();  // the newest file that is whole
  void apply(const File& file);
  void remove(std::int64_t number) const;

  std::string folder_;
  CheckpointOptions options_;
  std::vector<Part> parts_;
  std::vector<std::int64_t> damaged_;  // files that newest() could not read: they are not kept
  std::int64_t best_ = 0;              // the number of the best file; 0 if there is none
  double best_metric_ = std::numeric_limits<double>::quiet_NaN();
  bool continues_ = false;  // true if the files of the folder are this run's
};

}  // namespace descent
