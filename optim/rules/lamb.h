// LAMB: Adam whose step is scaled, tensor by tensor, to the size of the weights.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// LAMB. Source: You et al. 2020, arXiv:1904.00962, Alg. 2:
///   m, v as Adam,  u = m̂/(√v̂ + ε) + λθ,  θ −= η·(‖θ‖/‖u‖)·u.
/// The norms are those of each tensor. The paper's φ is the identity. If a norm is 0, the ratio is
/// 1; the paper does not say what happens then.
struct LAMB {
  /// lr: rate η, as a share of a tensor's norm. beta1, beta2: share of m and v that each step
  /// keeps. eps: ε, which keeps the divisor from 0. weight_decay: decoupled decay λ.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0;

  static constexpr Card card{
      .name = "lamb",
      .title = "LAMB: layer-wise adaptive rates around Adam",
      .formula = "u = m̂/(√v̂ + ε) + λθ,  θ −= η (‖θ‖/‖u‖) u,  each tensor by itself",
      .paper = "You et al. 2020, arXiv:1904.00962",
      .when = "Very large batches, thousands of samples: keeps every layer's relative step alike.",
      .avoid = "Small batches, where AdamW is as good and simpler.",
      .traps =
          "Tensors that start at zero (biases) move at ratio 1, then hardly at all while small.",
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

  /// c = √bc₂/bc₁, with bc₁ = 1 − β₁ᵗ and bc₂ = 1 − β₂ᵗ. direction() computes u/c, which takes
  /// fewer operations than u. In the step η·(‖θ‖/‖u‖)·u the factor c cancels.
  double factor(Step s) const {
    const auto t = static_cast<double>(s.t);
    return std::sqrt(1 - std::pow(beta2(s), t)) / (1 - std::pow(beta1(s), t));
  }
  /// Returns a formula for u/c = m/(√v + ε√bc₂) + (λ/c)θ.
  template <class T>
  auto direction(Step s) const {
    const T e = T(eps(s) * std::sqrt(1 - std::pow(beta2(s), static_cast<double>(s.t)))),
            decay = T(weight_decay(s) / factor(s));
    return [=](auto w, auto m, auto v) { return fma(decay, w, ratio(m, sqrt(v) + e)); };
  }
  static constexpr double scale = 0x1p40;  ///< of u, while its squares are summed
  template <class T>
  void measure(Step s, auto&& run) const {
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T up = T(scale);
    const auto direction_of = direction<T>(s);
    run([=](auto w, auto g, auto& m, auto& v) {
      m = fma(b1, m, k1 * g);
      v = fma(b2, v, k2 * g * g);
      // If g is far below ε, u is so small that its square would be 0.
      const auto u = direction_of(w, m, v) * up;
      return std::array{w * w, u * u};
    });
  }
  template <class T>
  auto at(Step s) const {
    const double weights = s.sums[0], step = s.sums[1];
    const T eta =
        T(lr(s) * (weights > 0 && step > 0 ? std::sqrt(weights / step) * scale : factor(s)));
    const auto direction_of = direction<T>(s);
    return [=](auto& w, auto, auto m, auto v) { w = fma(-eta, direction_of(w, m, v), w); };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN LAMB
#include <descent/optim/engine/built_in.inc>
