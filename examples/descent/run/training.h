// One training run: data, model and optimizer made from the options, the loop, and its history.
// Used by `train` once and by `compare` many times.
#pragma once

#include "run/options.h"

#include <functional>

namespace app {

/// The data an option names; FileError or UsageError if it names none.
descent::data::Dataset load_data(const Options& o);

/// An MLP as the options describe it, for this data.
descent::nn::Sequential make_model(const Options& o, const descent::data::Dataset& d);

/// The lr of the rule in an optimizer's description, at its default.
double default_rate(const std::string& description);

/// The optimizer that is described, inside clipping, inside SAM, inside averages. `steps` is the
/// length of the run.
descent::optim::Optimizer make_optimizer(const Options& o, const descent::Parameters& parameters,
                                         std::int64_t steps);

struct Score {
  double loss = 0, accuracy = 0;  // accuracy is a share of 1; R² for regression
};
Score evaluate(descent::nn::Module& model, const descent::data::Dataset& d);

struct Epoch {
  std::int64_t epoch;
  Score train, validation;
  double lr, seconds;
};

struct Run {
  std::vector<Epoch> epochs;
  Score validation;  // at the end, with averaged weights if there are any
  std::int64_t gradient_evaluations = 0;
  double seconds = 0;     // of training alone, without evaluation
  bool averaged = false;  // the model is left with averaged weights
  bool diverged = false;
  std::string failure;  // why it diverged
};

/// What was done to features and to the target of a regression.
struct Scaling {
  std::optional<descent::data::Standardizer> features, target;
};

/// Standardises by `train`, if the options say so; what is done to one is done to all.
Scaling prepare(const Options& o, descent::data::Dataset& train,
                std::vector<descent::data::Dataset*> others);

/// Trains `model`, calling `watch` after every epoch.
Run train(const Options& o, descent::nn::Sequential& model, const descent::data::Dataset& train,
          const descent::data::Dataset& validation,
          const std::function<void(const Epoch&)>& watch = {});

}  // namespace app
