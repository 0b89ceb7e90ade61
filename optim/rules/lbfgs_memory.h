// The memory of L-BFGS: the last steps, and how each of these steps changed the gradient.
#pragma once

#include <descent/core/tensor.h>

#include <vector>

namespace descent::optim {

class StateVisitor;

/// What one step of L-BFGS leaves to the next.
struct LbfgsMemory {
  /// y and s of the last steps, (n) each, oldest first: differences of gradients and of weights.
  std::vector<Tensor> ys, ss;
  Tensor direction, last_gradient;  ///< of the last iteration, (n); undefined before the first
  double t = 0;                     ///< the last step was direction·t
  double scale = 1;                 ///< H₀ = scale·I, the first guess of the inverse Hessian
  std::int64_t iterations = 0;      ///< iterations so far, over all steps

  /// Remembers the last step. g, (n), is the gradient at the end of that step. Keeps the newest
  /// `most` steps. If yᵀs <= 1e-10, the step is left out: its curvature is not positive.
  void remember(const Tensor& g, std::size_t most);
  /// Returns −H·g, (n), by the two-loop recursion: Nocedal & Wright 2006, Alg. 7.4.
  Tensor quasi_newton(const Tensor& g) const;
  /// Lists the memory, for n weights.
  void state(StateVisitor& visit, std::int64_t n);
};

}  // namespace descent::optim
