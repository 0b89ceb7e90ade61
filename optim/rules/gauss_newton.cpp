#include <descent/core/kernels/linalg.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/rules/gauss_newton.h>

#include <algorithm>
#include <limits>

namespace descent::optim {

void GaussNewton::minimize(LeastSquares& p, Memory&) const {
  using namespace detail;
  constexpr double kEnough = 1e-4, kShortest = 0x1p-30;
  const double tolerance = tolerance_change(p.step);
  const double rank = std::numeric_limits<double>::epsilon() *
                      static_cast<double>(std::max(p.r.numel(), p.x.numel()));
  for (auto left = static_cast<std::int64_t>(max_iter(p.step)); left > 0; --left) {
    const Tensor j = p.jacobian();
    if (!is_finite(j)) return;
    const Tensor step = -kernel::shortest(j, p.r, rank);
    const double loss = inner(p.r, p.r) / 2, slope = inner(p.r, product(j, step));
    if (!(slope < 0)) return;
    double t = 1;
    Tensor r;
    for (;; t /= 2) {
      if (t < kShortest) return;
      r = p.evaluate(p.x + step * t);
      if (inner(r, r) / 2 <= loss + kEnough * t * slope) break;
    }
    const bool tiny = !some(abs(step) * t > abs(p.x) * tolerance);
    p.x = p.x + step * t;
    p.r = r;
    if (tiny) return;
  }
}

}  // namespace descent::optim
