// Sophia: momentum divided by curvature, element by element, with a bound on the step.
#pragma once

#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Sophia. Source: Liu et al. 2023, arXiv:2305.14342, Alg. 3, with Hutchinson's estimate of the
/// diagonal of the Hessian (Alg. 1). Every k-th step takes ĥ = u ⊙ Hu, for u of random signs:
///   h = β₂h + (1−β₂)ĥ,  m = β₁m + (1−β₁)g,  θ ← (1 − ηλ)θ − η·clip(m/max(ρh, ε), ±1).
/// Deviation: u has random signs, where Alg. 1 draws normal numbers.
///
/// The product Hu differentiates the gradient. The closure must therefore call backward() on a loss
/// that is made of Descent's operators. Hu costs as much as a gradient, once in k steps.
struct Sophia {
  /// lr: rate η, the longest step of a weight. beta1, beta2: share of m and h that each step keeps.
  /// rho: factor of h, ρ; a larger ρ makes shorter steps. eps: ε, the least divisor. weight_decay:
  /// decay λ.
  Hyper lr = 1e-4, beta1 = 0.965, beta2 = 0.99, rho = 0.04, eps = 1e-12, weight_decay = 0,
        every = 10;  ///< every: steps between two estimates, k; a fraction is cut off

  static constexpr Card card{
      .name = "sophia",
      .title = "Sophia: clipped steps over a diagonal Hessian",
      .formula = "h of u ⊙ Hu every k steps,  m of g,  θ ← (1−ηλ)θ − η clip(m / max(ρh, ε), ±1)",
      .paper = "Liu et al. 2023, arXiv:2305.14342",
      .when = "Curvatures that differ widely, as in language models.",
      .avoid =
          "Losses with kinks (relu nets have no curvature to speak of in single neurons); "
          "compiled steps.",
      .traps =
          "Needs a closure. ρ is to be set so that a tenth to a half of the steps are not cut "
          "off; where h ≤ 0 the step is ±η.",
      .state = 2,
      .gradient_evaluations = 1.1};
  /// m: moving average of g. h: moving average of the estimates of the Hessian's diagonal.
  static constexpr std::array slot_names{"m", "h"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("rho", r.rho, kPositive);
    f("eps", r.eps, kPositive);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("every", r.every, kCount);
  }
  /// Returns true at every k-th step.
  bool wants_curvature(Step s) const {
    return s.schedule % static_cast<std::int64_t>(every(s)) == 0;
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const T eta = T(lr(s)), keep = T(1 - lr(s) * weight_decay(s)), scale = T(rho(s)), e = T(eps(s));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const auto update = [=](auto& w, auto g, auto& m, auto h) {
      m = b1 * m + k1 * g;
      const auto step = m / max(scale * h, e);
      w = keep * w - eta * where(step > 1, 1, where(step < -1, -1, step));
    };
    if (wants_curvature(s))
      run([=](auto& w, auto g, auto& m, auto& h, auto estimate) {
        h = b2 * h + k2 * estimate;
        update(w, g, m, h);
      });
    else
      run([=](auto& w, auto g, auto& m, auto& h) { update(w, g, m, h); });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Sophia
#include <descent/optim/engine/built_in.inc>
