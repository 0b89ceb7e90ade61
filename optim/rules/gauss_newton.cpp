#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/rules/gauss_newton.h>

#include <algorithm>
#include <limits>

namespace descent::optim {

namespace {
/// The shortest δ of those with the smallest ‖Jδ + r‖². Columns of J that seem dependent may differ
/// in their units alone. If they are independent once their lengths are 1, there is one δ only.
Tensor shortest_step(const Tensor& j, const Tensor& r, double tolerance) {
  int rank = 0;
  const std::int64_t n = j.size(1);
  const Tensor step = -kernel::shortest(j, r, tolerance, rank);
  if (rank == n || n > j.size(0)) return step;
  const Tensor lengths = sqrt(sum(square(j), {0})),
               unit = where(lengths > 0, lengths, ones_like(lengths)),
               other = -kernel::shortest(j / unit, r, tolerance, rank) / unit;
  return rank == n ? other : step;
}
}  // namespace

void GaussNewton::minimize(LeastSquares& p, Memory&) const {
  using namespace detail;
  constexpr double kEnough = 1e-4, kShortest = 0x1p-30;
  const auto end = [&p](Ending why) { p.ended = why; };
  const double tolerance = tolerance_change(p.step);
  const double rank = std::numeric_limits<double>::epsilon() *
                      static_cast<double>(std::max(p.r.numel(), p.x.numel()));
  for (auto left = static_cast<std::int64_t>(max_iter(p.step)); left > 0; --left) {
    const Tensor j = p.jacobian();
    if (!is_finite(j)) return end(kNoLowerPoint);
    const Tensor step = shortest_step(j, p.r, rank);
    const double loss = inner(p.r, p.r) / 2, slope = inner(p.r, product(j, step));
    if (!(slope < 0)) return end(slope >= 0 ? "tolerance_change" : kNoLowerPoint);
    double t = 1;
    Tensor r;
    for (;; t /= 2) {
      if (t < kShortest) return end(kNoLowerPoint);
      r = p.evaluate(p.x + step * t);
      if (inner(r, r) / 2 <= loss + kEnough * t * slope) break;
    }
    const bool tiny = !some(abs(step) * t > abs(p.x) * tolerance);
    p.x = p.x + step * t;
    p.r = r;
    if (tiny) return end("tolerance_change");
  }
  end("max_iter");
}

}  // namespace descent::optim
