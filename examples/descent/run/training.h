// One training run: the loop and its history. `train` runs it once, `compare` many times.
#pragma once

#include "run/data.h"
#include "run/model.h"
#include "run/optimizer.h"

#include <chrono>
#include <functional>

namespace app {

/// How well a model does. `accuracy` is the share of samples that are classified correctly, from 0
/// to 1. For a regression it is R², the share of the target's variance that the model explains.
struct Score {
  double loss = 0, accuracy = 0;
};

/// The score of a model on a data set, in evaluation mode and without recording gradients.
Score evaluate(descent::nn::Module& model, const descent::data::Dataset& d);

struct Epoch {
  std::int64_t epoch;  // from 1
  Score train, validation;
  double lr;       // at the first step of the epoch
  double seconds;  // training time from the start of the run to the end of the epoch
};

struct Run {
  std::vector<Epoch> epochs;
  Score validation;  // at the end; if the optimizer keeps an average, of the averaged weights
  std::int64_t gradient_evaluations = 0;
  double seconds = 0;           // of training alone, without evaluation
  std::int64_t best_epoch = 0;  // of the weights that the model is left with; 0: those of the last
  bool averaged = false;        // true if the model is left with averaged weights
  bool out_of_time = false;     // --time-limit ended the run
  bool diverged = false;
  std::string failure;  // why the run diverged
};

/// Who watches a run. If a watcher throws, the run ends and the exception reaches the caller.
struct Watchers {
  std::function<void()> batch{};              ///< called after every batch
  std::function<void(const Epoch&)> epoch{};  ///< called after every epoch
};

/// A training run that is ready to start. The constructor makes the batches and the optimizer, so
/// that a wrong setting throws before a command writes files. run() trains with the same optimizer.
/// Options, model and data must outlive the Training.
class Training {
 public:
  /// `weight` (n) says how much each sample for training counts; undefined: all alike. Throws the
  /// errors of make_optimizer().
  Training(const Options& o, descent::nn::Sequential& model, const descent::data::Dataset& train,
           const descent::data::Dataset& validation, const descent::Tensor& weight = {});

  /// Trains the model for --time-limit at most. Call run() once. If a loss or gradient is NaN or
  /// infinite, the run ends, and the result says that the run diverged.
  Run run(const Watchers& watch = {});

  /// Adds everything that changes to a checkpoint. After Checkpoint::load(), run() goes on where
  /// the run was saved, at any batch.
  void add_to(descent::Checkpoint& checkpoint);
  /// The history of the run, for the checkpoint.
  std::map<std::string, descent::Tensor> state_dict() const;
  void load_state_dict(const std::map<std::string, descent::Tensor>& state);

  const descent::optim::Optimizer& optimizer() const { return optimizer_; }

 private:
  std::pair<Score, Score> scores();
  bool has_stopped() const;
  bool out_of_time();
  descent::Tensor loss_of(const descent::data::Batch& batch);
  double loss_to_lower(const Score& validated);
  void measure_batch_norm();
  void train_an_epoch(const std::function<void()>& watch);

  const Options& o_;
  descent::nn::Sequential& model_;
  const descent::data::Dataset &train_, &validation_;
  bool weighted_;
  descent::data::DataLoader loader_;  // if weighted_, the last column of x is the weight
  descent::optim::Optimizer optimizer_;
  std::optional<descent::optim::ReduceOnPlateau> plateau_;
  std::optional<descent::optim::EarlyStopping> stopping_;
  Run run_;
  double lr_ = 0;                                // at the first step of the present epoch
  std::chrono::steady_clock::time_point start_;  // of run()
};

}  // namespace app
