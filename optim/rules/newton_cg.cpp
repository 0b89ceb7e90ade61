#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/newton_cg.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

void detail::NewtonMemory::state(StateVisitor& visit, std::int64_t) {
  std::int64_t count = begun;
  visit("damping", damping, true);
  visit("begun", count);
  if (visit.loads()) visit.replace(begun, count > 0);
}

void NewtonCG::minimize(Search& s, Memory& memory) const {
  using detail::inner;
  if (!memory.begun) memory = {damping(s.step), true};
  const double lambda = memory.damping, size = std::sqrt(inner(s.g, s.g));
  if (size == 0) return;
  const auto product = [&](const Tensor& d) { return s.hessian(d) + d * lambda; };

  Tensor step = zeros_like(s.g), image = step;  // p and (H + λI)p
  Tensor residual = s.g, direction = -s.g;
  const double enough = std::min(0.5, std::sqrt(size)) * size;
  for (auto left = static_cast<std::int64_t>(max_cg(s.step)); left > 0; --left) {
    const Tensor curved = product(direction);
    const double curvature = inner(direction, curved), square = inner(residual, residual);
    if (!(curvature > 0)) {
      if (inner(step, step) == 0) {
        step = direction;
        image = curved;
      }
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

  const double slope = inner(s.g, step), foretold = slope + inner(step, image) / 2;
  if (!(slope < 0)) return;
  double gain = 0;
  for (double t = 1; t >= 0x1p-30; t /= 2) {
    const double loss = s.evaluate(s.x + step * t).first;
    if (t == 1) gain = (loss - s.loss) / foretold;
    if (loss <= s.loss + 1e-4 * t * slope) {
      s.x = s.x + step * t;
      break;
    }
  }
  if (gain > 0.75)
    memory.damping = lambda * 2 / 3;
  else if (!(gain >= 0.25))
    memory.damping = lambda * 3 / 2;
}

}  // namespace descent::optim
