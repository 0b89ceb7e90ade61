// NAdamW: AdamW with Nesterov's look ahead.
#pragma once

#include <descent/optim/rules/adam_moments.h>

namespace descent::optim {

/// NAdamW. Sources: Dozat 2016 for the look ahead, Loshchilov & Hutter 2019, arXiv:1711.05101, for
/// the decay; the baseline of Dahl et al. 2023, arXiv:2306.07179 (AlgoPerf). With m and v as Adam:
///   m̂ = β₁m/(1−β₁^(t+1)) + (1−β₁)g/(1−β₁ᵗ),  θ ← (1 − ηλ)θ − η·m̂/(√v̂ + ε).
/// Without Dozat's schedule of momentum, which NAdam has. Deviation: AlgoPerf's code divides both
/// terms of m̂ by 1−β₁ᵗ; later versions of Optax divide them as here. Where the divisor is 0, the
/// step is 0.
struct NAdamW {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: decoupled decay λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;

  static constexpr Card card{
      .name = "nadamw",
      .title = "NAdamW: AdamW with Nesterov's momentum",
      .formula = "θ ← (1−ηλ)θ − η m̂/(√v̂+ε),  m̂ = β₁m/(1−β₁ᵗ⁺¹) + (1−β₁)g/(1−β₁ᵗ)",
      .paper =
          "Dozat 2016; Loshchilov & Hutter 2019, arXiv:1711.05101; Dahl et al. 2023, "
          "arXiv:2306.07179",
      .when = "Where AdamW works, slightly faster: the baseline of the AlgoPerf benchmark.",
      .avoid = "Very noisy gradients: the newest gradient weighs more than in AdamW.",
      .traps = "Not NAdam with decay: NAdam also changes the momentum with time.",
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
    const detail::AdamMoments<T> adam(s, lr, beta1, beta2, eps);
    const double t = static_cast<double>(s.t), b = beta1(s);
    const T of_m = T(lr(s) * b / (1 - std::pow(b, t + 1)));
    const T of_g = T(lr(s) * (1 - b) / (1 - std::pow(b, t)));
    const T keep = T(1 - lr(s) * weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      adam.observe(g, m, v);
      const auto d = sqrt(v) * adam.root + adam.e;
      w = keep * w - where(d == 0, 0, (of_m * m + of_g * g) / d);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN NAdamW
#include <descent/optim/engine/built_in.inc>
