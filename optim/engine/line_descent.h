// Internal. descend(): what search rules share that go downhill along lines.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>

#include <cmath>
#include <cstdint>

namespace descent::optim::detail {

/// When a step of such a rule ends, and how flat a line must be at its end: c₂.
struct LineLimits {
  std::int64_t max_iter, max_eval;
  double tolerance_grad, tolerance_change, flatness;
};

/// Goes along lines, each to a point of the strong Wolfe conditions. `memory` has
/// - direction(g): where to go from here, (n);
/// - guess(g, slope): the first t of the search along it;
/// - learn(line): what the line has taught;
/// - forget(): forgets what makes the direction differ from −g; false if there is nothing.
/// If a direction leads uphill, or a search finds nothing lower, the memory forgets.
struct Line {
  const Tensor &step, &before, &after;  ///< step = t·d; the gradients at its ends
  double t, slope;                      ///< slope = dᵀg at its start
};
template <class Memory>
void descend(Search& s, const LineLimits& limits, Memory& memory) {
  std::int64_t used = 1;
  for (std::int64_t n = 0;;) {
    if (largest(s.g) <= limits.tolerance_grad) return;
    const Tensor direction = memory.direction(s.g);
    const double slope = inner(s.g, direction);
    if (!(slope < 0)) {
      if (memory.forget()) continue;
      return;
    }
    LineSearch search(s, direction, slope, limits.flatness);
    const LinePoint p = search.run(memory.guess(s.g, slope));
    used += search.evaluations();
    if (!(p.f < s.loss)) {
      if (memory.forget()) continue;
      return;
    }
    const Tensor step = direction * p.t;
    const double fall = s.loss - p.f;
    s.x = s.x + step;
    memory.learn(Line{step, s.g, p.g, p.t, slope});
    s.loss = p.f;
    s.g = p.g;
    if (++n == limits.max_iter || used >= limits.max_eval ||
        largest(step) <= limits.tolerance_change || fall < limits.tolerance_change)
      return;
  }
}

}  // namespace descent::optim::detail
