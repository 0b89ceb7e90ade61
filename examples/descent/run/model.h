// The network of a run.
#pragma once

#include "run/options.h"

#include <span>

namespace app {

/// An activation function. The network applies it after each hidden layer.
struct Activation {
  const char *name, *help;
  /// Appends the activation to a model.
  void (*append)(descent::nn::Sequential& model);
};

/// Every activation that --activation takes.
std::span<const Activation> activations();

/// Makes a network with the hidden layers that the options describe. The data decides the number of
/// inputs and outputs. There is an input for each feature. For classification there is an output
/// for each class, for a regression a single output. Initial weights come from the global
/// generator: call manual_seed() before. Throws UsageError for a layer without units and for an
/// unknown activation.
descent::nn::Sequential make_model(const Options& o, const descent::data::Dataset& d);

}  // namespace app
