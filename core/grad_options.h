// GradOptions: what backward() and grad() make, and what they keep.
#pragma once

#include <optional>

namespace descent {

/// Options of Tensor::backward(), backward() and grad(). Unless said otherwise the gradients have
/// no history, and the graph is freed while the run goes through it.
///
///   loss.backward({}, {.retain_graph = true});  // a second backward() may follow
struct GradOptions {
  /// The gradients get a history of their own, so that they can be differentiated again.
  bool create_graph = false;
  /// The graph is kept for another run. Without a value: as create_graph.
  std::optional<bool> retain_graph = {};
  /// grad() gives an undefined tensor for an input that the outputs do not depend on. Otherwise
  /// grad() throws GraphError. backward() has no inputs and ignores this.
  bool allow_unused = false;
};

}  // namespace descent
