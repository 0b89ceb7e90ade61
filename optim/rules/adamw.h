// AdamW: Adam with weight decay that is decoupled from the gradient.
#pragma once

#include <descent/optim/rules/adam_moments.h>

namespace descent::optim {

/// AdamW. Source: Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2:
///   θ ← (1 − ηλ)θ,  then the step of Adam without L2.
/// Deviation, as in PyTorch: the decay is scaled by η. The paper scales the decay by the factor of
/// the schedule alone. With `decoupled_lr` the weights decay by λ·η_t/η_0, as in the paper; η_0 is
/// the first value of the schedule. If the schedule starts near 0, as warmup() does, do not use
/// `decoupled_lr`: the decay would be huge.
struct AdamW {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, which
  /// keeps the divisor from 0. weight_decay: decoupled decay λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  /// decoupled_lr: scales the decay by η_t/η_0 instead of η_t. maximize: climbs instead of
  /// descending.
  bool decoupled_lr = false, maximize = false;

  static constexpr Card card{
      .name = "adamw",
      .title = "AdamW",
      .formula = "θ ← (1−ηλ)θ,  then Adam without L2",
      .paper = "Loshchilov & Hutter 2019, arXiv:1711.05101",
      .when = "Adam with regularisation that works: the default choice for most networks.",
      .avoid = "Tiny problems without overfitting, where the decay only adds a bias.",
      .traps =
          "Halving η halves the decay too. Biases and norms usually belong in a group with "
          "weight_decay 0.",
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
    f("decoupled_lr", r.decoupled_lr);
    f("maximize", r.maximize);
  }

  template <class T>
  auto at(Step s) const {
    const detail::AdamMoments<T> adam(s, lr, beta1, beta2, eps);
    const double factor = !decoupled_lr ? lr(s) : lr(0) > 0 ? lr(s) / lr(0) : 0;
    const T keep = T(1 - factor * weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      adam.observe(g, m, v);
      w = keep * w - adam.step(m, v);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN AdamW
#include <descent/optim/engine/built_in.inc>
