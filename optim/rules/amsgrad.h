// AMSGrad: Adam that divides by the largest second moment so far.
#pragma once

#include <descent/optim/rules/adam_moments.h>

namespace descent::optim {

/// AMSGrad. Source: Reddi, Kale & Kumar 2018, arXiv:1904.09237, Alg. 2:
///   m and v as Adam,  V = max(V, v),  θ −= η/(1−β₁ᵗ) · m / (√V/√(1−β₂ᵗ) + ε).
/// Deviations, as in PyTorch: V is the maximum of the raw v and is corrected afterwards. The paper
/// corrects nothing and has no ε; other libraries take the maximum of the corrected v. weight_decay
/// adds λθ to g (L2), or with `decoupled` shrinks the weights as AdamW does: θ ← (1 − ηλ)θ.
/// PyTorch's Adam(amsgrad=True) is AMSGrad{}. PyTorch's AdamW(amsgrad=True) is
/// AMSGrad{.weight_decay = 1e-2, .decoupled = true}.
struct AMSGrad {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: L2 penalty λ, or decoupled decay.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  /// decoupled: weight_decay as in AdamW. maximize: climbs instead of descending.
  bool decoupled = false, maximize = false;

  static constexpr Card card{
      .name = "amsgrad",
      .title = "AMSGrad: Adam that divides by the largest v so far",
      .formula = "m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  V = max(V, v),  θ −= η m̂ / (√V̂ + ε)",
      .paper = "Reddi, Kale & Kumar 2018, arXiv:1904.09237",
      .when = "Where rare, large gradients carry the information and Adam drifts away.",
      .avoid = "Long runs whose gradients shrink: one early peak slows it for ever.",
      .traps =
          "Three versions exist; this is PyTorch's: the maximum of the raw v, then corrected. The "
          "rate can only fall.",
      .state = 3,
      .basic = true};
  /// m, v: moving averages of g and of g². v_max: V, the largest v so far.
  static constexpr std::array slot_names{"m", "v", "v_max"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("decoupled", r.decoupled);
    f("maximize", r.maximize);
  }

  template <class T>
  auto at(Step s) const {
    const detail::AdamMoments<T> adam(s, lr, beta1, beta2, eps);
    const T l2 = decoupled ? T(0) : T(weight_decay(s));
    const T keep = decoupled ? T(1 - lr(s) * weight_decay(s)) : T(1);
    return [=](auto& w, auto g, auto& m, auto& v, auto& largest) {
      adam.observe(g + l2 * w, m, v);
      largest = max(largest, v);
      w = keep * w - adam.step(m, largest);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN AMSGrad
#include <descent/optim/engine/built_in.inc>
