// NAdam: Adam with Nesterov's momentum.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// NAdam. Source: Dozat 2016, ICLR workshop, with the μ of PyTorch:
///   μ_t = β₁(1 − ½·0.96^(t·ψ)),  P_t = μ_1·…·μ_t,  m and v as Adam,
///   θ −= η·[(1−μ_t)g/(1−P_t) + μ_{t+1}m/(1−P_t·μ_{t+1})] / (√v̂ + ε).
/// Deviation, as in PyTorch: weight_decay adds λθ to g (L2). PyTorch has two paths that differ by
/// a factor μ; Descent follows the path of foreach=True. Where the divisor is 0, the step is 0.
struct NAdam {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: L2 penalty λ. momentum_decay: how fast μ grows to β₁,
  /// ψ.
  Hyper lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;

  static constexpr Card card{
      .name = "nadam",
      .title = "NAdam: Adam with Nesterov's momentum",
      .formula =
          "θ −= η [(1−μ)g/(1−P) + μ′m/(1−Pμ′)] / (√v̂ + ε),  μ = β₁(1 − ½·0.96^(tψ)),  P = ∏μ",
      .paper = "Dozat 2016, ICLR workshop",
      .when = "As Adam; often a little faster, as it uses the newest gradient twice.",
      .avoid = "Comparisons with plain Adam at the same rate: its early steps are longer.",
      .traps = "μ grows with time; saving must keep the product P (this does).",
      .state = 2};
  /// m, v: moving averages of g and of g².
  static constexpr std::array slot_names{"m", "v"};
  /// momentum_product: P_t.
  static constexpr std::array numbers{Number{"momentum_product", 1}};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("momentum_decay", r.momentum_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const auto t = static_cast<double>(s.t);
    const auto mu = [&](double n) {
      return beta1(s) * (1 - 0.5 * std::pow(0.96, n * momentum_decay(s)));
    };
    double& product = s.numbers[0];
    product *= mu(t);
    const T of_g = T(lr(s) * (1 - mu(t)) / (1 - product));
    const T of_m = T(lr(s) * mu(t + 1) / (1 - product * mu(t + 1)));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T root = T(1 / std::sqrt(1 - std::pow(beta2(s), t))), e = T(eps(s));
    const T decay = T(weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      g += decay * w;
      m = b1 * m + k1 * g;
      v = b2 * v + k2 * g * g;
      const auto d = sqrt(v) * root + e;
      w -= where(d == 0, 0, (of_g * g + of_m * m) / d);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN NAdam
#include <descent/optim/engine/built_in.inc>
