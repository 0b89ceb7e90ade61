// fit: a training loop with callbacks, written on the public interface in one screen of fit.cpp.
// Where it does not fit, copy it and change it. Trainer is the loop that also resumes, weighs and
// averages.
//
//   fit(model, optimizer, loader,
//       {.epochs = 20, .validation = test,
//        .callbacks = {progress_bar(), stop_early(5), save_best("best.safetensors"),
//        log_csv("log.csv")}});
#pragma once

#include <descent/data/trainer.h>

#include <functional>
#include <optional>
#include <string>

namespace descent {

/// Where a fit stands, as its callbacks see it.
struct FitProgress {
  nn::Module& model;                  ///< the model that is trained
  std::int64_t epochs;                ///< how many there are at most
  std::int64_t batches;               ///< in an epoch
  std::int64_t epoch = 0;             ///< from 1
  std::int64_t batch = 0;             ///< from 1, in this epoch
  double loss = 0;                    ///< mean over the epoch's batches so far
  double seconds = 0;                 ///< since the epoch began
  std::optional<Score> validation{};  ///< after the last batch, if there is validation data
  bool epoch_ended = false;           ///< true in the call after an epoch
  bool finished = false;              ///< true in the last call of all
};
/// Called after each batch, after each epoch, and once at the end. Returns false to end the fit.
using FitCallback = std::function<bool(const FitProgress&)>;

/// How fit() trains.
struct FitOptions {
  std::int64_t epochs = 10;  ///< passes over the loader
  /// The loss of a batch; empty: cross_entropy for int64 targets, else mse_loss. If the optimizer
  /// takes residuals: the residuals; empty: mse_residuals.
  std::function<Tensor(const Tensor& output, const Tensor& target)> loss{};
  std::optional<data::Dataset> validation{};  ///< measured after each epoch
  std::vector<FitCallback> callbacks{};       ///< in the order in which they are called
};

/// Trains `model` on the batches of `loader`. Returns where it stood after each epoch.
std::vector<FitProgress> fit(nn::Module& model, optim::Optimizer& optimizer,
                             data::DataLoader& loader, const FitOptions& options = {});

/// Ends a fit after more than `patience` epochs without a lower validation loss (training loss, if
/// there is no validation data), and puts the best weights back at the end.
FitCallback stop_early(std::int64_t patience);
/// Saves the model after each epoch whose loss is the lowest so far; see Module::save().
FitCallback save_best(std::string path);
/// Writes a line for each epoch: epoch, loss, val_loss, val_accuracy, seconds. The file is replaced
/// atomically. Throws FileError.
FitCallback log_csv(std::string path);
/// Shows the progress on stderr as Keras does: batches, bar, time left (after an epoch the time it
/// took and ms a step), losses. On a terminal one line, drawn anew at most every 50 ms; elsewhere a
/// plain line for each epoch. The environment variable NO_COLOR leaves out colours.
FitCallback progress_bar();

}  // namespace descent
