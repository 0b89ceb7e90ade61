// The memory of L-BFGS: a few steps and what they did to the gradient, in place of a Hessian.
#pragma once

#include <descent/optim/engine/search_rule.h>

#include <vector>

namespace descent::optim {

/// What one step of L-BFGS leaves to the next.
struct LbfgsMemory {
  std::vector<Tensor> ys, ss;  ///< differences of gradients and of points, (n) each, oldest first
  Tensor direction, last_gradient;  ///< (n); undefined before the first iteration
  double t = 0;                     ///< length of the last step along the direction
  double scale = 1;                 ///< of the inverse Hessian
  std::int64_t iterations = 0;

  /// Takes the last step in, at whose end the gradient is g, and keeps the newest `most` steps. A
  /// step of no positive curvature, yᵀs <= 1e-10, is left out.
  void remember(const Tensor& g, std::size_t most);
  /// −H·g by the two-loop recursion. Nocedal & Wright 2006, Alg. 7.4.
  Tensor quasi_newton(const Tensor& g) const;
  /// n: the number of weights.
  void state(StateVisitor& visit, std::int64_t n);
};

}  // namespace descent::optim
