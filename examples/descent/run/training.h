// One training run as the options describe it. `train` runs it once, `compare` many times.
#pragma once

#include "run/data.h"
#include "run/model.h"
#include "run/optimizer.h"

namespace app {

using Run = descent::TrainingResult;
using Epoch = descent::Epoch;
using Score = descent::Score;

/// An optimizer and a trainer that are ready to start, so that a wrong setting throws before a
/// command writes files. The model must outlive the Training.
struct Training {
  /// `weight` (n) says how much each sample for training counts; undefined: all alike. Throws the
  /// errors of make_optimizer().
  Training(const Options& o, descent::nn::Sequential& model, const descent::data::Dataset& train,
           const descent::data::Dataset& validation, const descent::Tensor& weight = {});
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  descent::optim::Optimizer optimizer;
  descent::Trainer trainer;
};

/// Why a run diverged, with a hint for the command line.
std::string failure_of(const Run& run);

}  // namespace app
