// The network of a run.
#pragma once

#include "run/options.h"

#include <span>

namespace app {

/// An activation: what stands after each hidden layer.
struct Activation {
  const char *name, *help;
  void (*append)(descent::nn::Sequential& model);
};

/// Every activation that --activation takes.
std::span<const Activation> activations();

/// A network with the hidden layers that the options describe, as wide as this data needs at both
/// ends: one output a class, or one for a regression. Initial weights come from the global seed.
/// Throws UsageError for a layer without units and for an unknown activation.
descent::nn::Sequential make_model(const Options& o, const descent::data::Dataset& d);

}  // namespace app
