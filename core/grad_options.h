// GradOptions: what backward() and grad() make, and what they keep.
#pragma once

#include <optional>

namespace descent {

/// Options of Tensor::backward(), backward() and grad(). By default the gradients have no history,
/// and the run frees each part of the graph as soon as it has used the part.
///
///   loss.backward({}, {.retain_graph = true});  // a second backward() may follow
struct GradOptions {
  /// If true, the gradients get a history of their own, so that the gradients can be differentiated
  /// again.
  bool create_graph = false;
  /// If true, the graph is kept for another run. If there is no value, create_graph decides.
  std::optional<bool> retain_graph = {};
  /// What grad() does with an input that the outputs do not depend on. If true, grad() returns an
  /// undefined tensor for the input. If false, grad() throws GraphError. backward() has no inputs
  /// and ignores this option.
  bool allow_unused = false;
};

}  // namespace descent
