// RAdam: Adam that uses its adaptive rate only once the estimate behind the rate can be trusted.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// RAdam. Source: Liu et al. 2020, arXiv:1908.03265, Alg. 2. With ρ∞ = 2/(1−β₂) − 1 and
/// ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ):
///   ρ > 5:  θ −= η·m̂·r·√(1−β₂ᵗ)/(√v + ε),  r = √[(ρ−4)(ρ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ)];
///   else:   θ −= η·m̂.
/// Deviations, as in PyTorch: the bound for ρ is 5, where the paper has 4; ε is added to √v, where
/// the paper has no ε; weight_decay adds λθ to g (L2). Where the divisor is 0, the step is 0.
struct RAdam {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: L2 penalty λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;

  static constexpr Card card{
      .name = "radam",
      .title = "RAdam: rectified Adam",
      .formula = "ρ > 5:  θ −= η m̂ r √bc₂/(√v + ε),  else  θ −= η m̂",
      .paper = "Liu et al. 2020, arXiv:1908.03265",
      .when = "Where Adam needs a warm-up, and you would rather not tune one.",
      .avoid = "β₂ below 0.6: ρ never passes 5, and it stays plain momentum.",
      .traps =
          "The first 5 steps (β₂ = .999) are momentum at η: their size is that of the gradient.",
      .state = 2};
  /// m, v: moving averages of g and of g².
  static constexpr std::array slot_names{"m", "v"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const auto t = static_cast<double>(s.t);
    const double bc2 = 1 - std::pow(beta2(s), t), most = 2 / (1 - beta2(s)) - 1;
    const double length = most - 2 * t * (1 - bc2) / bc2;
    const bool trusted = length > 5;
    const double r =
        trusted ? std::sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
                : 1;
    const T eta = T(lr(s) / (1 - std::pow(beta1(s), t)) * (trusted ? r * std::sqrt(bc2) : 1));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T e = T(eps(s)), decay = T(weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      g += decay * w;
      m = b1 * m + k1 * g;
      v = b2 * v + k2 * g * g;
      const auto d = trusted ? sqrt(v) + e : T(1);
      w -= where(d == 0, 0, eta * m / d);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN RAdam
#include <descent/optim/engine/built_in.inc>
