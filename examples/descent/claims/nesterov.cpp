// Nesterov's method reaches O(1/t²).
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

constexpr std::int64_t kN = 1000, kSteps = 1000;
constexpr double kL = 4;

/// Nesterov's hard case, ½(x₁² + Σ(xᵢ₊₁ − xᵢ)² + xₙ²) − x₁. Its minimum is at xᵢ = 1 − i/(n + 1).
Tensor chain(const Tensor& x) {
  const Tensor rise = x.slice(0, 1) - x.slice(0, 0, kN - 1);
  return 0.5 * (x[0].square() + rise.square().sum() + x[kN - 1].square()) - x[0];
}

/// f(xₖ) − f* at the points x₀, x₁, … of a run. The optimizer's parameter is y, the point at which
/// the gradient is taken: xₖ₊₁ = yₖ − ∇f(yₖ)/L. For gradient descent yₖ = xₖ.
std::vector<double> gaps(bool nesterov) {
  const double least = -0.5 * (1 - 1.0 / (kN + 1));
  const Tensor y = point(std::vector<double>(kN, 0.0));
  optim::Optimizer optimizer({y}, optim::SGD{.lr = 1 / kL});
  Tensor before = y.detach().clone();
  std::vector<double> all{chain(before).item() - least};
  for (std::int64_t k = 0; k < kSteps; ++k) {
    step_on(optimizer, [&] { return chain(y); });
    const NoGradGuard guard;
    const Tensor x = y.detach().clone();
    all.push_back(chain(x).item() - least);
    if (nesterov) y.copy_(x + (x - before) * (static_cast<double>(k) / static_cast<double>(k + 3)));
    before = x;
  }
  return all;
}

void measure(Evidence& e) {
  double square = 0;  // ‖x₀ − x*‖²
  for (std::int64_t i = 1; i <= kN; ++i)
    square += std::pow(1 - static_cast<double>(i) / (kN + 1), 2);
  const std::vector<double> fast = gaps(true), slow = gaps(false);
  Series bound{"2L‖x₀ − x*‖²/(k + 1)²", {}, {}}, a{"gradient descent", {}, {}},
      b{"Nesterov", {}, {}};
  double closest = 0;
  for (std::int64_t k = 1; k <= kSteps; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const auto x = static_cast<double>(k);
    bound.x.push_back(x), a.x.push_back(x), b.x.push_back(x);
    bound.y.push_back(2 * kL * square / ((x + 1) * (x + 1)));
    a.y.push_back(slow[i]), b.y.push_back(fast[i]);
    closest = std::max(closest, fast[i] / bound.y.back());
  }
  e.expect("largest share of the bound, k ≤ 1000", format(closest, "%.3g"), "at most 1",
           closest <= 1);
  e.equals("f − f* at k = 400, Nesterov", fast[400], ".002179");
  e.equals("gradient descent", slow[400], ".01943");
  e.show(Chart{"f − f* of the tridiagonal quadratic", "step", "f − f*", true, true, {a, b, bound}});
}

}  // namespace

const Claim nesterov{"nesterov",
                     "Nesterov's momentum reaches O(1/t²) where gradient descent has O(1/t).",
                     "The tridiagonal quadratic of Nesterov's lower bound, n = 1000, L = 4, from 0 "
                     "with η = 1/L: f − f* "
                     "is at most 2L‖x₀ − x*‖²/(k + 1)² for every k up to 1000.",
                     measure};

}  // namespace app::claims
