// ADOPT: Adam that divides by the second moment of the steps before.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// ADOPT. Source: Taniguchi et al. 2024, arXiv:2411.02853, Alg. 2. The first step only sets v = g².
/// Afterwards, with n = t − 1:
///   m = β₁m + (1−β₁)·clip(g/max(√v, ε), ±n^¼),  θ ← (1 − ηλ)θ − η·m,  then  v = β₂v + (1−β₂)g².
/// The decay is decoupled, as in the authors' code with `decouple`. Where g and the divisor are 0,
/// the quotient is 0.
struct Adopt {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. eps: ε, the least
  /// divisor. weight_decay: decoupled decay λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.9999, eps = 1e-6, weight_decay = 0;
  bool clip = true;  ///< clips the normed gradient at ±n^¼; false: Alg. 1

  static constexpr Card card{
      .name = "adopt",
      .title = "ADOPT: Adam that converges with any β₂",
      .formula = "m = β₁m + (1−β₁) clip(g/max(√v, ε), ±n^¼),  θ −= η m,  then v = β₂v + (1−β₂)g²",
      .paper = "Taniguchi et al. 2024, arXiv:2411.02853",
      .when = "As AdamW, where Adam's convergence depends on β₂.",
      .avoid = "Very short runs: the first step moves nothing.",
      .traps = "The clip is narrow at first: weights move by at most about η in an early step.",
      .state = 2};
  /// m: moving average of the normed gradient. v: moving average of g², without this step's.
  static constexpr std::array slot_names{"m", "v"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("clip", r.clip);
  }

  template <class T>
  auto at(Step s) const {
    const bool first = s.t == 1;
    const T eta = T(first ? 0 : lr(s)), keep = T(first ? 1 : 1 - lr(s) * weight_decay(s));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s)),
            e = T(eps(s));
    const T most =
        clip ? T(std::pow(static_cast<double>(s.t - 1), 0.25)) : std::numeric_limits<T>::infinity();
    return [=](auto& w, auto g, auto& m, auto& v) {
      const auto d = max(sqrt(v), e);
      const auto normed = where(d == 0, sign(g) * most, g / d);
      m = first ? m : b1 * m + k1 * max(min(normed, most), -most);
      w = keep * w - eta * m;
      v = first ? g * g : b2 * v + k2 * g * g;
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Adopt
#include <descent/optim/engine/built_in.inc>
