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

/// The limits that a rule's settings give at a step. max_eval = 0 stands for `each` evaluations an
/// iteration.
LineLimits line_limits(const auto& rule, Step step, double each, double flatness) {
  const auto most = static_cast<std::int64_t>(rule.max_iter(step));
  const double evaluations = rule.max_eval(step);
  return {
      most,
      static_cast<std::int64_t>(evaluations > 0 ? evaluations : static_cast<double>(most) * each),
      rule.tolerance_grad(step), rule.tolerance_change(step), flatness};
}

/// A line that descend() has gone: from a point by step = t·d.
struct Line {
  const Tensor &step, &before, &after;  ///< (n); before, after: the gradients at the ends
  double t, slope;                      ///< slope = dᵀg at the start
};

/// Goes along lines, each to a point of the strong Wolfe conditions. `memory` has
/// - direction(g): the direction d, (n), at a point with the gradient g;
/// - guess(g, slope): the first t of the search along d;
/// - learn(line): takes what the line shows about the loss;
/// - forget(): makes the next direction −g; returns false if the last one was −g already.
/// If d leads uphill, or if the search finds nothing lower, descend() calls forget(), and ends if
/// the answer is false. It says in `s.ended` why it ended.
template <class Memory>
void descend(Search& s, const LineLimits& limits, Memory& memory) {
  std::int64_t used = 1;
  const auto end = [&s](Ending why) { s.ended = why; };
  for (std::int64_t n = 0;;) {
    if (largest(s.g) <= limits.tolerance_grad) return end("tolerance_grad");
    const Tensor direction = memory.direction(s.g);
    const double slope = inner(s.g, direction);
    if (!(slope < 0)) {
      if (memory.forget()) continue;
      return end(kNoLowerPoint);
    }
    LineSearch search(s, direction, slope, limits.flatness);
    const LinePoint p = search.run(memory.guess(s.g, slope));
    used += search.evaluations();
    if (!(p.f < s.loss)) {
      if (memory.forget()) continue;
      return end(kNoLowerPoint);
    }
    const Tensor step = direction * p.t;
    const double fall = s.loss - p.f;
    s.x = s.x + step;
    memory.learn(Line{step, s.g, p.g, p.t, slope});
    s.loss = p.f;
    s.g = p.g;
    if (++n == limits.max_iter || used >= limits.max_eval)
      return end(largest(s.g) <= limits.tolerance_grad ? "tolerance_grad"
                 : n == limits.max_iter                ? "max_iter"
                                                       : "max_eval");
    if (largest(step) <= limits.tolerance_change || fall < limits.tolerance_change)
      return end("tolerance_change");
  }
}

}  // namespace descent::optim::detail
