// Trainer: the loop that trains a network on a data set. It shuffles, validates after every epoch,
// stops early, keeps the best weights, and can be saved and resumed.
//
//   optim::Optimizer optimizer(model.parameters(), optim::AdamW{});
//   TrainingResult r = Trainer(model, optimizer, train, validation, {.patience = 20}).run();
#pragma once

#include <descent/data/dataset.h>
#include <descent/data/loader.h>
#include <descent/nn/module.h>
#include <descent/optim/early_stopping.h>
#include <descent/optim/plateau.h>

#include <functional>
#include <optional>

namespace descent {

class Checkpoint;

/// How well a model does.
struct Score {
  double loss = 0;  ///< the mean cross-entropy, or the mean squared error
  /// The share of samples that are classified correctly, from 0 to 1. For a regression, R²: the
  /// share of the target's variance that the model explains.
  double accuracy = 0;
};

/// The score of a model on a data set, in evaluation mode and without recording gradients.
Score evaluate(nn::Module& model, const data::Dataset& d);

/// How a Trainer trains.
struct TrainerOptions {
  std::int64_t epochs = 100;     ///< passes over the training data, at most
  std::int64_t batch_size = 32;  ///< samples a step
  std::uint64_t seed = 0;        ///< of the order of samples
  std::int64_t patience = 0;     ///< see optim::EarlyStopping; 0: all epochs, and the last weights
  double time_limit = 0;         ///< in seconds; 0 for none
  double label_smoothing = 0;    ///< share of each label that is spread over all classes
  Tensor weight{};               ///< (N) how much each training sample counts; undefined: all alike
  /// True: every class counts alike in the validation loss that chooses an epoch.
  bool balanced = false;
  /// Lowers the learning rate if the validation loss stops falling.
  std::optional<optim::PlateauOptions> plateau{};
};

/// What the model had reached after an epoch.
struct Epoch {
  std::int64_t epoch;       ///< from 1
  Score train, validation;  ///< if the optimizer keeps an average, of the averaged weights
  double lr;                ///< at the first step of the epoch
  double seconds;           ///< training time from the start of the run to the end of the epoch
};

/// What came of a run.
struct TrainingResult {
  std::vector<Epoch> epochs;  ///< one after the other
  /// Of the weights that the model is left with; NaN if the run diverged before there were any.
  Score validation;
  std::int64_t gradient_evaluations = 0;  ///< SAM makes two a step
  double seconds = 0;                     ///< of training alone, without evaluation
  std::int64_t best_epoch = 0;  ///< of the weights that the model is left with; 0: of the last
  bool averaged = false;        ///< true if the model is left with averaged weights
  bool out_of_time = false;     ///< true if the time limit ended the run
  bool diverged = false;        ///< true if a loss or gradient became NaN or infinite
  std::string failure;          ///< why the run diverged
};

/// Who watches a run. If a watcher throws, the run ends and the exception reaches the caller.
struct TrainingWatchers {
  std::function<void()> batch{};              ///< called after every batch
  std::function<void(const Epoch&)> epoch{};  ///< called after every epoch
};

/// How many steps a whole run makes; a schedule of the learning rate needs the number. If the model
/// has batch normalisation, an incomplete last batch is left out.
std::int64_t training_steps(const nn::Module& model, const data::Dataset& train,
                            const TrainerOptions& options);

/// A training run. Model and optimizer must outlive the Trainer. Classes are trained by
/// cross_entropy, values by mse_loss. If the optimizer takes residuals, it gets those of mse_loss.
/// If the optimizer keeps an average of the weights, the average is scored, and the model is left
/// with it.
class Trainer {
 public:
  /// Throws ValueError if an option is out of range, or for classes with an optimizer that takes
  /// residuals, and ShapeError if `weight` is not (N).
  Trainer(nn::Module& model, optim::Optimizer& optimizer, data::Dataset train,
          data::Dataset validation, TrainerOptions options = {});

  /// Trains. Call run() once. If a loss or gradient is NaN or infinite, the run ends, and the
  /// result says that the run diverged.
  TrainingResult run(const TrainingWatchers& watch = {});

  /// Adds model, optimizer and everything else that changes to a checkpoint. After
  /// Checkpoint::load(), run() goes on where the run was saved, at any batch.
  void add_to(Checkpoint& checkpoint);
  /// The history of the run, for the checkpoint.
  std::map<std::string, Tensor> state_dict() const;
  /// Loads what state_dict() returned. Throws StateError if the state does not fit.
  void load_state_dict(const std::map<std::string, Tensor>& state);

 private:
  std::pair<Score, Score> scores();
  bool has_stopped() const;
  bool out_of_time();
  Tensor loss_of(const data::Batch& batch);
  Tensor residuals_of(const data::Batch& batch);
  double loss_to_lower(const Score& validated);
  void measure_batch_norm();
  void train_an_epoch(const std::function<void()>& watch);
  void finish();

  nn::Module& model_;
  optim::Optimizer& optimizer_;
  const data::Dataset train_, validation_;
  TrainerOptions options_;
  bool batch_norm_;
  data::DataLoader loader_;  // with weights, the last column of x is the weight
  std::optional<optim::ReduceOnPlateau> plateau_;
  std::optional<optim::EarlyStopping> stopping_;
  TrainingResult result_;
  double lr_ = 0;     // at the first step of the present epoch
  double start_ = 0;  // of run(), in seconds of a steady clock
};

}  // namespace descent
