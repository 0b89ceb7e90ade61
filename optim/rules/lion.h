// Lion: steps by the sign of a momentum. A search over programs found it.
#pragma once

#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Lion. Source: Chen et al. 2023, arXiv:2302.06675, Alg. 2:
///   θ ← (1 − ηλ)θ − η·sign(β₁m + (1−β₁)g),  then  m = β₂m + (1−β₂)g,
/// with sign(0) = 0. No deviation.
struct Lion {
  /// lr: rate η, the length of every step. beta1: weight of m in the step, β₁. beta2: share of m
  /// that each step keeps, β₂. weight_decay: decoupled decay λ.
  Hyper lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;

  static constexpr Card card{
      .name = "lion",
      .title = "Lion: evolved sign momentum",
      .formula = "θ ← (1−ηλ)θ − η sign(β₁m + (1−β₁)g),  then  m = β₂m + (1−β₂)g",
      .paper = "Chen et al. 2023, arXiv:2302.06675",
      .when = "Large models and batches: half of Adam's memory, about its quality.",
      .avoid = "Small batches: every step has length η in each parameter, whatever the noise.",
      .traps =
          "Its rate is 3 to 10 times smaller than AdamW's, its decay as much larger. It never "
          "settles: lower the rate in the end.",
      .state = 1};
  /// m: moving average of g.
  static constexpr std::array slot_names{"m"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s)), keep = T(1 - lr(s) * weight_decay(s));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    return [=](auto& w, auto g, auto& m) {
      w = keep * w - eta * sign(b1 * m + k1 * g);
      m = b2 * m + k2 * g;
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Lion
#include <descent/optim/engine/built_in.inc>
