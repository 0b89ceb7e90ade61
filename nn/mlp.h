// Multilayer perceptrons by description, so that a file can say how its network is made.
#pragma once

#include <descent/nn/sequential.h>

#include <span>
#include <string>
#include <vector>

namespace descent::nn {

/// An activation by name.
struct NamedActivation {
  const char* name;  ///< as "relu"
  const char* help;  ///< what it computes
  /// Appends the activation to a model.
  void (*append)(Sequential& model);
};
/// Every activation that mlp() knows.
std::span<const NamedActivation> named_activations();

/// How a multilayer perceptron is made.
struct MlpOptions {
  std::int64_t inputs = 1;             ///< D
  std::vector<std::int64_t> hidden{};  ///< units of each hidden layer; empty: a linear model
  std::int64_t outputs = 1;            ///< C
  std::string activation = "relu";     ///< a name of named_activations(), after each hidden layer
  double dropout = 0;                  ///< probability after each hidden layer
  bool batch_norm = false;             ///< before each activation
  std::vector<EmbeddedColumn> embedded{};  ///< inputs that hold numbers of words
};

/// Makes the network (N, D) → (N, C): EmbeddedColumns if there are any; for each hidden layer
/// Linear, BatchNorm1d, activation and Dropout, then Linear. Initial weights come from the thread's
/// generator: call manual_seed() before. Throws ValueError for a layer without units and an unknown
/// activation.
Sequential mlp(const MlpOptions& options);

}  // namespace descent::nn
