#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/natural_gradient.h>

#include <algorithm>

namespace descent::optim {

void detail::NaturalMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("direction", direction, {n}, kFloat64, false);
}

void NaturalGradient::minimize(LeastSquares& p, Memory& memory) const {
  using namespace detail;
  const Tensor j = p.jacobian();
  if (!is_finite(j)) return;
  const std::int64_t m = j.size(0), n = j.size(1);
  const double damped = damping(p.step), keep = momentum(p.step);
  const bool moves = keep > 0 && memory.direction.defined();
  const Tensor r = moves ? p.r - product(j, memory.direction) * keep : p.r;
  const auto with_damping = [&](const Tensor& square, std::int64_t size) {
    return square + eye(size, kFloat64) * damped;
  };
  Tensor step = m <= n ? product(j.t(), kernel::solve(with_damping(matmul(j, j.t()), m), r))
                       : kernel::solve(with_damping(matmul(j.t(), j), n), product(j.t(), r));
  if (moves) step = step + memory.direction * keep;
  if (!is_finite(step)) return;
  memory.direction = step;
  double t = lr(p.step);
  if (const double most = max_norm(p.step), size = length(step); most > 0 && t * size > most)
    t = most / size;
  if (line_search) {
    double best = inner(p.r, p.r), rate = 0;
    for (int halvings = 0; halvings <= 30; ++halvings, t /= 2) {
      const Tensor there = p.evaluate(p.x - step * t);
      if (const double loss = inner(there, there); loss < best) {
        best = loss;
        rate = t;
      }
    }
    t = rate;
  }
  p.x = p.x - step * t;
}

}  // namespace descent::optim
