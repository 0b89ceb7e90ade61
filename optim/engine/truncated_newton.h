// Internal. truncated_newton(): what Newton–CG and Hessian-free optimization share.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/optim/engine/line_search.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace descent::optim::detail {

/// What one step of a truncated Newton method leaves to the next.
struct NewtonMemory {
  double damping = 0;  ///< λ
  bool begun = false;  ///< false before the first step
  void state(StateVisitor& visit, std::int64_t) {
    std::int64_t count = begun;
    visit("damping", damping, true);
    visit("begun", count);
    if (visit.loads()) visit.replace(begun, count > 0);
  }
};

/// The p that conjugate gradients reach on A·p = −g, and A·p. See NewtonCG for the ends.
std::pair<Tensor, Tensor> truncated_cg(const Tensor& g, std::int64_t max_cg, const auto& product) {
  const double size = std::sqrt(inner(g, g)), enough = std::min(0.5, std::sqrt(size)) * size;
  Tensor step = zeros_like(g), image = step, residual = g, direction = -g;
  for (; max_cg > 0; --max_cg) {
    const Tensor curved = product(direction);
    const double curvature = inner(direction, curved), square = inner(residual, residual);
    if (!(curvature > 0)) {
      if (inner(step, step) == 0) return {direction, curved};
      break;
    }
    const double alpha = square / curvature;
    step = step + direction * alpha;
    image = image + curved * alpha;
    residual = residual + curved * alpha;
    const double now = inner(residual, residual);
    if (std::sqrt(now) <= enough) break;
    direction = direction * (now / square) - residual;
  }
  return {step, image};
}

/// Makes a step at x, where the loss is f and its gradient g. `product` is v ↦ C·v, with the matrix
/// C that stands for the Hessian; `loss_at` gives the loss at another x. Returns the new x, and
/// changes `damping`.
Tensor truncated_newton(const Tensor& x, double f, const Tensor& g, std::int64_t max_cg,
                        double& damping, const auto& product, const auto& loss_at) {
  if (inner(g, g) == 0) return x;
  const double lambda = damping;
  const auto [step, image] =
      truncated_cg(g, max_cg, [&](const Tensor& v) { return product(v) + v * lambda; });
  const double slope = inner(g, step), foretold = slope + inner(step, image) / 2;
  if (!(slope < 0)) return x;
  Tensor reached = x;
  double gain = 0;
  for (double t = 1; t >= 0x1p-30; t /= 2) {
    const Tensor there = x + step * t;
    const double loss = loss_at(there);
    if (t == 1) gain = (loss - f) / foretold;
    if (loss <= f + 1e-4 * t * slope) {
      reached = there;
      break;
    }
  }
  if (gain > 0.75)
    damping = lambda * 2 / 3;
  else if (!(gain >= 0.25))
    damping = lambda * 3 / 2;
  return reached;
}

}  // namespace descent::optim::detail
