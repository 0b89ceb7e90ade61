// GSAM: SAM whose descent also closes the gap between the two losses.
#pragma once

#include <descent/optim/wrappers/sam.h>

namespace descent::optim {

/// GSAM, surrogate gap guided SAM. Source: Zhuang et al. 2022, arXiv:2203.08065, Alg. 1, as the
/// authors' code. With the gradient g at the weights and g_s at the weights that climbed as in Sam,
/// sums over all parameters:
///   the rule sees g_s − α·(g − (⟨g, g_s⟩/‖g_s‖²)·g_s).
/// Deviation: ρ is constant or a schedule of its own; in the paper it follows the rate.
struct Gsam {
  Hyper rho = 0.05;   ///< length of the climb, ρ
  Hyper alpha = 0.4;  ///< how much of the orthogonal part is taken away, α

  static constexpr Card card{
      .name = "gsam",
      .title = "GSAM: SAM that also minimises the surrogate gap",
      .formula = "g_s = ∇f(θ + ρ g/‖g‖),  base step with g_s − α (g orthogonal to g_s)",
      .paper = "Zhuang et al. 2022, arXiv:2203.08065",
      .when = "As SAM, at the same cost: it looks for a flat minimum, not only a low climbed loss.",
      .avoid = "Where time is what is short: the base optimizer gets two steps for one.",
      .traps = "Two gradient evaluations a step. Needs a closure. Tune alpha with rho.",
      .gradient_evaluations = 2};
  static constexpr Role role = Role::climbs;  ///< the gradient is that of other weights
  static constexpr bool atomic = true;        ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("rho", o.rho, kNonNegative);
    f("alpha", o.alpha, kNonNegative);
  }

  /// Evaluates the gradient here and at the weights that climbed.
  double evaluate(auto& e) {
    return sam.evaluate(e, rho, [this](const Parameters& all) {
      here.clear();
      for (const Parameter& p : all)
        here.push_back(p.value.grad().defined() ? p.value.grad().clone() : Tensor());
    });
  }
  /// Makes the step with g_s − α·(g − (⟨g, g_s⟩/‖g_s‖²)·g_s).
  void apply(Update& u) {
    double along = 0, square = 0;
    const double share = alpha(u.step());
    const auto counts = [&](std::size_t i) {
      return sam.climbed && here[i].defined() && u.gradient(i).defined();
    };
    for (std::size_t i = 0; i < u.size(); ++i)
      if (counts(i)) {
        const Tensor there = u.gradient(i).to(kFloat64);
        along += sum(here[i].to(kFloat64) * there).item();
        square += sum(descent::square(there)).item();
      }
    if (const double c = along / square; std::isfinite(c))
      for (std::size_t i = 0; i < u.size(); ++i)
        if (counts(i)) u.set_gradient(i, u.gradient(i) * (1 + share * c) - here[i] * share);
    u.inner();
  }

  std::vector<Tensor> here = {};  ///< the gradients at the weights
  Sam sam = {};                   ///< climbs and comes back
};

/// Puts GSAM around an optimizer. See Gsam; throws as wrap().
inline Optimizer gsam(Optimizer&& base, Gsam options = {}) {
  return wrap(std::move(base), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Gsam
#include <descent/optim/engine/built_in.inc>
