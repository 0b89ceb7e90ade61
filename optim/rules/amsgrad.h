// AMSGrad: Adam that divides by the largest second moment so far.
#pragma once

#include <descent/optim/rules/adam_moments.h>

namespace descent::optim {

/// Reddi, Kale & Kumar 2018, arXiv:1904.09237, Alg. 2: Adam's step with V = max(V, v) in place of
/// v. Of three versions in use this is PyTorch's: the maximum of the raw v, corrected afterwards.
/// weight_decay is L2, as in Adam; with `decoupled` the weights decay as in AdamW, θ ← (1 − ηλ)θ.
/// PyTorch's Adam(amsgrad=True) is AMSGrad{}, its AdamW(amsgrad=True) is
/// AMSGrad{.weight_decay = 1e-2, .decoupled = true}.
struct AMSGrad {
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
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

template <>
inline constexpr bool detail::built_in<AMSGrad> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(AMSGrad)
#endif

}  // namespace descent::optim
