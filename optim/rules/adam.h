// Adam: momentum, and a rate of its own for each weight. Both averages are corrected for starting
// at 0.
#pragma once

#include <descent/optim/rules/adam_moments.h>

namespace descent::optim {

/// Adam. Source: Kingma & Ba 2015, arXiv:1412.6980, Alg. 1:
///   m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  θ −= η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
/// ε is added after the correction of v, as in Alg. 1 and in PyTorch. Deviation, as in PyTorch:
/// weight_decay adds λθ to g first (L2), so the decay is scaled like any gradient. AdamW does not
/// scale the decay. Where m and the divisor are 0, the step is 0.
struct Adam {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: L2 penalty λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;  ///< climbs instead of descending

  static constexpr Card card{
      .name = "adam",
      .title = "Adam",
      .formula = "m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  θ −= η m̂ / (√v̂ + ε)",
      .paper = "Kingma & Ba 2015, arXiv:1412.6980",
      .when = "The first thing to try: works at its defaults on most problems.",
      .avoid = "When weight decay matters: adamw. When the last per cent counts: tuned momentum.",
      .traps =
          "Its L2 is not weight decay (use adamw). The first step has size η whatever the "
          "gradient. May fail to converge where large gradients are rare (amsgrad mends it).",
      .state = 2,
      .basic = true};
  /// m, v: moving averages of g and of g².
  static constexpr std::array slot_names{"m", "v"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("maximize", r.maximize);
  }

  template <class T>
  auto at(Step s) const {
    const detail::AdamMoments<T> adam(s, lr, beta1, beta2, eps);
    const T decay = T(weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      adam.observe(g + decay * w, m, v);
      w -= adam.step(m, v);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Adam
#include <descent/optim/engine/built_in.inc>
