#include <descent/core/create.h>
#include <descent/core/parallel.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/engine/line_descent.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/bfgs.h>

#include <algorithm>
#include <limits>

namespace descent::optim {

namespace {

/// The freedom of Broyden's class, from b = ρ·sᵀH⁻¹s and h = ρ·yᵀHy: φ and τ.
struct Scales {
  double phi = 1, tau = 1;
};
/// Urbán et al. 2024, eq. 13 to 23. `first`: of the identity, whose length says nothing.
Scales broyden_scales(double b, double h, bool first, std::int64_t n) {
  const double a = std::max(b * h - 1, 0.0);  // not below 0 but for rounding
  const double low = std::min(1.0, h * (1 - std::sqrt(a / (1 + a))));
  const double theta_low = low == 1 ? 0 : a > 0 ? (low - 1) / a : -HUGE_VAL;
  const double theta = std::max(theta_low, std::min(1 / low, (1 - b) / b));
  const double sigma = 1 + theta * a, phi = (1 - theta) / sigma;
  if (first) return {phi, h / sigma};
  const double root = n > 1 ? std::pow(std::fabs(sigma), 1 / (1 - static_cast<double>(n))) : 1;
  const double share = std::min(1.0, 1 / b);
  return {phi, theta <= 0 ? std::min(share * root, sigma) : share * std::min(root, 1 / theta)};
}

/// keep·H + ss·ssᵀ + sz·(szᵀ + zsᵀ) + zz·zzᵀ, in one pass. An undefined H is the identity.
Tensor updated(const Tensor& inverse, double keep, const Tensor& s, double ss, const Tensor& z,
               double sz, double zz) {
  const std::int64_t n = s.numel();
  const Tensor result = empty({n, n}, kFloat64);
  const double *from = inverse.defined() ? inverse.data_ptr<double>() : nullptr,
               *step = s.data_ptr<double>(), *image = z.data_ptr<double>();
  double* const to = result.data_ptr<double>();
  parallel_for(n, std::max<std::int64_t>(1, 65536 / n), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double by_step = ss * step[i] + sz * image[i], by_image = sz * step[i] + zz * image[i];
      double* const row = to + i * n;
      for (std::int64_t j = 0; j < n; ++j) row[j] = by_step * step[j] + by_image * image[j];
      if (from)
        for (std::int64_t j = 0; j < n; ++j) row[j] += keep * from[i * n + j];
      else
        row[i] += keep;
    }
  });
  return result;
}

}  // namespace

namespace detail {

Tensor BfgsMemory::direction(const Tensor& g) const {
  return inverse.defined() ? -product(inverse, g) : -g;
}
double BfgsMemory::guess(const Tensor& g, double) const {
  return updates == 0 ? rate * std::min(1.0, 1 / sum(abs(g)).item()) : rate;
}

void BfgsMemory::learn(const Line& line) {
  const Tensor y = line.after - line.before;
  const Tensor& s = line.step;
  const double ys = inner(y, s), yy = inner(y, y);
  if (!(ys > 0) || !std::isfinite(1 / ys) || !std::isfinite(yy)) return;
  const bool first = !inverse.defined();
  const Tensor z = first ? y : product(inverse, y);
  const double yz = inner(y, z), rho = 1 / ys;
  Scales scales;
  // H⁻¹·s = −t·g, because s = −t·H·g.
  const double b = -line.t * line.t * line.slope * rho;
  if (broyden)
    scales = broyden_scales(b, yz * rho, first, y.numel());
  else if (first)
    scales.tau = yy * rho;
  else if (self_scaled)
    scales.tau = std::min(1.0, 1 / b);
  const double keep = 1 / scales.tau, phi = scales.phi;
  const double ss = phi * yz * rho * rho * keep + rho, sz = -phi * rho * keep,
               zz = (phi - 1) / yz * keep;
  if (!std::isfinite(ss) || !std::isfinite(sz) || !std::isfinite(zz) || !std::isfinite(keep))
    return;
  inverse = updated(inverse, keep, s, ss, z, sz, zz);
  ++updates;
}

bool BfgsMemory::forget() {
  const bool had = inverse.defined();
  inverse = Tensor();
  updates = 0;
  return had;
}

void BfgsMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("updates", updates);
  visit("inverse", inverse, {n, n}, kFloat64, updates > 0);
}

}  // namespace detail

void BFGS::minimize(Search& s, Memory& memory) const {
  memory.rate = lr(s.step);
  memory.self_scaled = self_scaled;
  memory.broyden = broyden;
  detail::descend(s, detail::line_limits(*this, s.step, 1.25, 0.9), memory);
}

}  // namespace descent::optim
