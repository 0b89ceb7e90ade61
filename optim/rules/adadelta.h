// Adadelta: AdaGrad with moving averages. Its step has the unit of the weights.
#pragma once

#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Adadelta. Source: Zeiler 2012, arXiv:1212.5701, Alg. 1:
///   v = ρv + (1−ρ)g²,  Δ = √(u+ε)/√(v+ε)·g,  u = ρu + (1−ρ)Δ²,  θ −= ηΔ.
/// Deviations, as in PyTorch: the step has a factor η, which u does not see; weight_decay adds λθ
/// to g (L2). The paper has neither.
struct Adadelta {
  /// lr: factor of the step η. rho: share of v and u that each step keeps, ρ. eps: added under both
  /// roots, ε. weight_decay: L2 penalty λ.
  Hyper lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;  ///< climbs instead of descending

  static constexpr Card card{
      .name = "adadelta",
      .title = "Adadelta",
      .formula = "v = ρv + (1−ρ)g²,  Δ = √(u+ε)/√(v+ε) · g,  u = ρu + (1−ρ)Δ²,  θ −= ηΔ",
      .paper = "Zeiler 2012, arXiv:1212.5701",
      .when =
          "When no rate is known at all: it has none to tune, and steps in the parameters' unit.",
      .avoid = "Short runs: Adam gets further in the same number of steps.",
      .traps = "Starts slowly, at steps of about √ε; ε sets how slowly. η is 1, not 1e-3.",
      .state = 2};
  /// square: v, the moving average of g². delta: u, the moving average of Δ².
  static constexpr std::array slot_names{"square", "delta"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("rho", r.rho, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("maximize", r.maximize);
  }

  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s)), r = T(rho(s)), r1 = T(1 - rho(s)), e = T(eps(s));
    const T decay = T(weight_decay(s)), up = T(0x1p40), down = T(0x1p-20);
    return [=](auto& w, auto g, auto& v, auto& u) {
      if (decay != 0) g += decay * w;
      v = fma(r, v, r1 * g * g);
      // One root instead of two. The factor 2⁴⁰ keeps the quotient from vanishing in float; 2⁻²⁰
      // takes its root back.
      const auto delta = sqrt(ratio(fma(up, u, up * e), v + e)) * (down * g);
      u = fma(r, u, r1 * delta * delta);
      w = fma(-eta, delta, w);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Adadelta
#include <descent/optim/engine/built_in.inc>
