#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/rules/lbfgs.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

using detail::inner;
using detail::largest;
using detail::LinePoint;
using detail::LineSearch;

void LBFGS::minimize(Search& s, LbfgsMemory& memory) const {
  const double change = tolerance_change(s.step);
  const auto most = static_cast<std::int64_t>(max_iter(s.step));
  const auto evaluations =
      max_eval(s.step) > 0 ? static_cast<std::int64_t>(max_eval(s.step)) : most * 5 / 4;
  const auto end = [&s](Ending why) { s.ended = why; };
  if (largest(s.g) <= tolerance_grad(s.step)) return end("tolerance_grad");
  std::int64_t used = 1;
  for (std::int64_t n = 1;; ++n) {
    if (++memory.iterations == 1)
      memory.direction = -s.g;
    else {
      memory.remember(s.g, static_cast<std::size_t>(history(s.step)));
      memory.direction = memory.quasi_newton(s.g);
    }
    const double before = s.loss, slope = inner(s.g, memory.direction);
    memory.last_gradient = s.g;
    memory.t = lr(s.step) * (memory.iterations == 1 ? std::min(1.0, 1 / sum(abs(s.g)).item()) : 1);
    if (slope > -change) return end("tolerance_change");
    if (strong_wolfe) {
      LineSearch line(s, memory.direction, slope);
      const LinePoint p = line.run(memory.t);
      if (p.t == 0) return end(kNoLowerPoint);
      used += line.evaluations();
      memory.t = p.t;
      s.x = s.x + memory.direction * p.t;
      s.loss = p.f;
      s.g = p.g;
    } else {
      const Tensor x = s.x + memory.direction * memory.t;
      if (n == most) {
        s.x = x;
        return end("max_iter");
      }
      auto [f, g] = s.evaluate(x);
      ++used;
      if (!std::isfinite(f) || !std::isfinite(sum(g).item()))
        return end(kNoLowerPoint);  // the weights stay
      s.x = x;
      s.loss = f;
      s.g = g;
    }
    if (largest(s.g) <= tolerance_grad(s.step)) return end("tolerance_grad");
    if (n == most) return end("max_iter");
    if (used >= evaluations) return end("max_eval");
    if (largest(memory.direction * memory.t) <= change || std::fabs(s.loss - before) < change)
      return end("tolerance_change");
  }
}

}  // namespace descent::optim
