// D-Adaptation of Adam: Adam that finds its rate by itself.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// D-Adapted Adam. Source: Defazio & Mishchenko 2023, arXiv:2301.07733, Alg. 5, as the authors'
/// code (version 3.2). d estimates the distance from the first weights to the solution; sums and
/// norms run over all parameters. With λ = d·η and β = √β₂:
///   q = βq + (1−β)⟨λg, s/(√v + ε)⟩,  m = β₁m + (1−β₁)λg,  v = β₂v + (1−β₂)g²,
///   s = βs + (1−β)λg,  θ −= m/(√v + ε),  d ← max(d, min(q/((1−β)‖s‖₁), growth_rate·d)).
/// q sees s and v of the step before. The new d serves the next step.
/// `bias_correction` multiplies λ by √(1−β₂ᵗ)/(1−β₁ᵗ), with the t of each parameter; the authors'
/// code has one t for all. weight_decay adds λθ to g (L2); if
/// `decoupled` is true, it shrinks the weights by λ·weight_decay in place of that.
struct DAdaptAdam {
  /// lr: factor η of the rate that is found; leave it at 1. beta1, beta2: share of m and v that
  /// each step keeps. eps: ε, which keeps the divisor from 0. weight_decay: decay. d0: first d.
  Hyper lr = 1, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, d0 = 1e-6,
        growth_rate = 0;  ///< most factor of d in a step, 0 for any
  /// decoupled: weight_decay as in AdamW, else L2. bias_correction: corrects m and v as Adam does.
  bool decoupled = false, bias_correction = false;

  static constexpr Card card{
      .name = "dadapt_adam",
      .title = "D-Adapted Adam, without a rate to tune",
      .formula = "m, s of dη g,  d ← max(d, q/((1−√β₂)‖s‖₁)),  θ −= m/(√v + ε)",
      .paper = "Defazio & Mishchenko 2023, arXiv:2301.07733",
      .when = "Adam on a problem whose rate is unknown: leave lr at 1. Prodigy is its successor.",
      .avoid = "Very short runs: d needs some tens of steps to grow from d0.",
      .traps = "d never falls: use a schedule of lr that falls from 1. All parameters share one d.",
      .state = 3};
  /// m, v: moving averages of dη·g and of g². s: that of dη·g by √β₂.
  static constexpr std::array slot_names{"m", "v", "s"};
  /// d and q, the same for all parameters.
  static constexpr std::array numbers{Number{"d", 0}, Number{"q", 0}};
  static constexpr bool shares_sums = true;  ///< one d serves all parameters
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kPositive);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("d0", r.d0, kPositive);
    f("growth_rate", r.growth_rate, kNonNegative);
    f("decoupled", r.decoupled);
    f("bias_correction", r.bias_correction);
  }

  /// @name Parts of the formula
  /// @{

  /// A part of the formula: d() is the present d, rate() is λ.
  double d(Step s) const { return s.numbers[0] > 0 ? s.numbers[0] : d0(s); }
  double rate(Step s) const {
    const auto t = static_cast<double>(s.t);
    return d(s) * lr(s) *
           (bias_correction ? std::sqrt(1 - std::pow(beta2(s), t)) / (1 - std::pow(beta1(s), t))
                            : 1);
  }
  /// @}
  template <class T>
  void measure(Step s, auto&& run) const {
    const double root = std::sqrt(beta2(s));
    const T b1 = T(beta1(s)), k1 = T((1 - beta1(s)) * rate(s)), b2 = T(beta2(s)),
            k2 = T(1 - beta2(s)), b = T(root), k = T((1 - root) * rate(s)), e = T(eps(s)),
            of_d = T(rate(s) / d(s));
    const T decay = decoupled ? T(0) : T(weight_decay(s));
    run([=](auto w, auto g, auto& m, auto& v, auto& sum) {
      g = fma(decay, w, g);
      const auto share = of_d * g * (sum / (sqrt(v) + e));
      m = fma(b1, m, k1 * g);
      v = fma(b2, v, k2 * g * g);
      sum = fma(b, sum, k * g);
      return std::array{share, abs(sum)};
    });
  }
  template <class T>
  void dispatch(Step s, auto&& run) const {
    const double before = d(s), lambda = rate(s), root = std::sqrt(beta2(s));
    double& q = s.numbers[1];
    q = root * q + (1 - root) * before * s.sums[0];
    const double most = growth_rate(s) > 0 ? before * growth_rate(s) : kInfinity;
    const double reached = s.sums[1] > 0 ? q / ((1 - root) * s.sums[1]) : 0;
    s.numbers[0] = std::fmax(before, std::fmin(reached, most));
    const T e = T(eps(s)), shrink = decoupled ? T(1 - weight_decay(s) * lambda) : T(1);
    run([=](auto& w, auto, auto m, auto v) { w = shrink * w - m / (sqrt(v) + e); });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN DAdaptAdam
#include <descent/optim/engine/built_in.inc>
