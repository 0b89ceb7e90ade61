// D-Adaptation of SGD: dual averaging that finds its rate by itself.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/squares.h>

#include <cmath>

namespace descent::optim {

/// D-Adapted SGD. Source: Defazio & Mishchenko 2023, arXiv:2301.07733, as the authors' code
/// (version 3.2). d estimates the distance from the first weights θ₀ to the solution; sums and
/// norms run over all parameters:
///   λ = d·η/‖g₁‖,  q += λ⟨g, s⟩,  s += λg,  d ← max(d, min(2q/‖s‖, growth_rate·d)),
///   θ = μθ + (1−μ)(θ₀ − s).
/// The new d serves the next step. weight_decay adds λθ to g (L2); ‖g₁‖ is without it, as in their
/// code. A first gradient of 0 moves nothing, and the next counts as the first.
struct DAdaptSgd {
  /// lr: factor η of the rate that is found; leave it at 1. momentum: share of θ that a step keeps,
  /// μ. weight_decay: decay. d0: first d. growth_rate: most factor of d in a step, 0 for any.
  Hyper lr = 1, momentum = 0, weight_decay = 0, d0 = 1e-6, growth_rate = 0;

  static constexpr Card card{
      .name = "dadapt_sgd",
      .title = "D-Adapted SGD, without a rate to tune",
      .formula = "s += dη/‖g₁‖ g,  d ← max(d, 2Σdη/‖g₁‖⟨g, s⟩/‖s‖),  θ = μθ + (1−μ)(θ₀ − s)",
      .paper = "Defazio & Mishchenko 2023, arXiv:2301.07733",
      .when = "SGD with momentum 0.9 on a problem whose rate is unknown: leave lr at 1.",
      .avoid = "Very short runs: d needs some tens of steps to grow from d0.",
      .traps = "d never falls: use a schedule of lr that falls from 1. All parameters share one d.",
      .state = 2};
  /// start: θ₀. s: the weighted sum of gradients.
  static constexpr std::array slot_names{"start", "s"};
  /// d, q and ‖g₁‖, the same for all parameters.
  static constexpr std::array numbers{Number{"d", 0}, Number{"q", 0}, Number{"first_norm", 0}};
  static constexpr bool shares_sums = true;  ///< one d serves all parameters
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("d0", r.d0, kPositive);
    f("growth_rate", r.growth_rate, kNonNegative);
  }

  template <class T>
  void measure(Step s, auto&& run) const {
    const T decay = T(weight_decay(s));
    const detail::Squares<T> squares;
    if (s.numbers[2] == 0)
      return run([=](auto w, auto g, auto& start) {
        start = w;
        return squares.terms(w * w, g);
      });
    const T rate = T(s.numbers[0] * lr(s) / s.numbers[2]);
    const bool late = s.t == 1;  // the first gradient of this parameter
    run([=](auto w, auto g, auto& start, auto& sum) {
      if (late) start = w;
      const auto step = rate * fma(decay, w, g), share = step * sum;
      sum += step;
      return std::array{share, sum * sum};
    });
  }
  template <class T>
  void dispatch(Step s, auto&& run) const {
    double &d = s.numbers[0], &q = s.numbers[1], &first_norm = s.numbers[2];
    const T keep = T(momentum(s)), rest = T(1 - momentum(s));
    if (first_norm == 0) {
      d = d0(s);
      first_norm = detail::Squares<T>::norm(s.sums);
      const T rate = T(first_norm > 0 ? d * lr(s) / first_norm : 0), decay = T(weight_decay(s));
      return run([=](auto& w, auto g, auto start, auto& sum) {
        sum = rate * fma(decay, w, g);
        w = keep * w + rest * (start - sum);
      });
    }
    q += s.sums[0];
    const double most = growth_rate(s) > 0 ? d * growth_rate(s) : kInfinity;
    if (s.sums[1] > 0) d = std::fmax(d, std::fmin(2 * q / std::sqrt(s.sums[1]), most));
    run([=](auto& w, auto, auto start, auto sum) { w = keep * w + rest * (start - sum); });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN DAdaptSgd
#include <descent/optim/engine/built_in.inc>
