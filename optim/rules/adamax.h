// AdaMax: Adam with the largest recent gradient in place of the root mean square.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// AdaMax. Source: Kingma & Ba 2015, arXiv:1412.6980, Alg. 2:
///   m = β₁m + (1−β₁)g,  u = max(β₂u, |g| + ε),  θ −= η/(1−β₁ᵗ) · m/u.
/// Deviations, as in PyTorch: ε stands inside the maximum, where the paper has no ε; weight_decay
/// adds λθ to g (L2). Where u is 0, the step is 0.
struct AdaMax {
  /// lr: rate η. beta1, beta2: share of m and u that each step keeps, β₁ and β₂. eps: added to |g|,
  /// ε. weight_decay: L2 penalty λ.
  Hyper lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;  ///< climbs instead of descending

  static constexpr Card card{
      .name = "adamax",
      .title = "AdaMax",
      .formula = "m = β₁m + (1−β₁)g,  u = max(β₂u, |g| + ε),  θ −= η m̂ / u",
      .paper = "Kingma & Ba 2015, arXiv:1412.6980, Alg. 2",
      .when = "Sparse gradients, embeddings: u needs no correction and is never too small.",
      .avoid = "Gradients with rare outliers: one of them slows its parameter for 1/(1−β₂) steps.",
      .traps = "Its rate is twice Adam's by default.",
      .state = 2};
  /// m: moving average of g. largest: u, the decaying maximum of |g|.
  static constexpr std::array slot_names{"m", "largest"};
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
    const T eta = T(lr(s) / (1 - std::pow(beta1(s), static_cast<double>(s.t))));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), e = T(eps(s));
    const T decay = T(weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& u) {
      g += decay * w;
      m = b1 * m + k1 * g;
      u = max(b2 * u, abs(g) + e);
      w -= where(u == 0, 0, eta * m / u);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN AdaMax
#include <descent/optim/engine/built_in.inc>
