// Prodigy: Adam that finds its rate by itself, from how far the weights have moved.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Prodigy. Source: Mishchenko & Defazio 2023, arXiv:2306.06101, Alg. 4. d estimates the distance
/// from the first weights θ₀ to the solution, and dlr = d·η:
///   r = β₃r + (d/d₀)·dlr·⟨g, θ₀−θ⟩,  s = β₃s + (d/d₀)·dlr·g,  m, v as Adam's of d·g,
///   d ← max(d, d_coef·r/‖s‖₁),  θ −= dlr·m/(√v + d·ε).
/// The inner product and ‖s‖₁ run over all parameters. dlr has the old d; d·ε has the new d.
/// Deviations, as in the authors' code: r and s carry a factor 1/d₀, which cancels in r/‖s‖₁.
/// `bias_correction` multiplies dlr by √(1−β₂ᵗ)/(1−β₁ᵗ). weight_decay shrinks the weights by dlr·λ;
/// if `decoupled` is false, it adds λθ to g (L2).
///
/// Groups may differ in lr: each parameter enters r and s with its own dlr. β₃, d₀ and d_coef are
/// those of the first group.
struct Prodigy {
  /// lr: factor η of the rate that is found; leave it at 1. beta1, beta2, beta3: share of m, v and
  /// of r and s that each step keeps; beta3 = 0 stands for √β₂. eps: ε, which keeps the divisor
  /// from 0. weight_decay: decay λ. d0: first d.
  Hyper lr = 1, beta1 = 0.9, beta2 = 0.999, beta3 = 0, eps = 1e-8, weight_decay = 0, d0 = 1e-6,
        d_coef = 1;  ///< d_coef: factor of the estimate of d
  /// decoupled: weight_decay as in AdamW, else L2. bias_correction: corrects m and v as Adam does.
  bool decoupled = true, bias_correction = false;

  static constexpr Card card{
      .name = "prodigy",
      .title = "Prodigy: Adam without a rate to tune",
      .formula =
          "d ← max(d, r/‖s‖₁),  r += (d/d₀)dη⟨g, θ₀−θ⟩,  s += (d/d₀)dη g,  θ −= dη m/(√v + dε)",
      .paper = "Mishchenko & Defazio 2023, arXiv:2306.06101",
      .when = "A new problem whose rate is unknown: leave lr at 1.",
      .avoid = "Very short runs: d needs some tens of steps to grow from d₀.",
      .traps =
          "d never falls. A schedule multiplies it: cosine(1, steps) is usual. All parameters "
          "share one d.",
      .state = 4};
  /// m, v: moving averages of d·g and (d·g)². s: the vector s. start: θ₀.
  static constexpr std::array slot_names{"m", "v", "s", "start"};
  /// d and r, the same for all parameters.
  static constexpr std::array numbers{Number{"d", 0}, Number{"r", 0}};
  static constexpr bool shares_sums = true;  ///< one d serves all parameters
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("beta3", r.beta3, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("d0", r.d0, kPositive);
    f("d_coef", r.d_coef, kPositive);
    f("decoupled", r.decoupled);
    f("bias_correction", r.bias_correction);
  }

  /// @name Parts of the formula
  /// @{

  /// A part of the formula: keep() is β₃, d() is the old d, rate() is dlr.
  double keep(Step s) const { return beta3(s) > 0 ? beta3(s) : std::sqrt(beta2(s)); }
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
    const T b1 = T(beta1(s)), k1 = T(d(s) * (1 - beta1(s))), b2 = T(beta2(s)),
            k2 = T(d(s) * d(s) * (1 - beta2(s))), b3 = T(keep(s)), k3 = T(d(s) / d0(s) * rate(s));
    const T decay = decoupled ? T(0) : T(weight_decay(s));
    const auto measured = [=](auto w, auto g, auto& m, auto& v, auto& sum, auto start) {
      g = fma(decay, w, g);
      m = fma(b1, m, k1 * g);
      v = fma(b2, v, k2 * g * g);
      const auto share = k3 * g;
      sum = fma(b3, sum, share);
      return std::array{share * (start - w), abs(sum)};
    };
    if (s.t == 1)
      run([=](auto w, auto g, auto& m, auto& v, auto& sum, auto& start) {
        start = w;
        return measured(w, g, m, v, sum, start);
      });
    else
      run(measured);
  }
  template <class T>
  void dispatch(Step s, auto&& run) const {
    const double before = d(s), dlr = rate(s);
    double& r = s.numbers[1];
    r = keep(s) * r + s.sums[0];
    const double reached = s.sums[1] > 0 ? d_coef(s) * r / s.sums[1] : 0;
    s.numbers[0] = std::fmax(before, reached);
    const T eta = T(dlr), e = T(s.numbers[0] * eps(s));
    const T shrink = decoupled ? T(1 - weight_decay(s) * dlr) : T(1);
    run([=](auto& w, auto, auto m, auto v) { w = shrink * w - ratio(eta * m, sqrt(v) + e); });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Prodigy
#include <descent/optim/engine/built_in.inc>
