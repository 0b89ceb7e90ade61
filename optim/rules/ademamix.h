// AdEMAMix: Adam with a second, very slow average of the gradient.
#pragma once

#include <descent/optim/rules/adam_moments.h>

#include <algorithm>

namespace descent::optim {

/// AdEMAMix. Source: Pagliardini et al. 2024, arXiv:2409.03137, Alg. 1. With m and v as Adam:
///   s = β₃s + (1−β₃)g,  θ ← (1 − ηλ)θ − η·(m̂ + α·s)/(√v̂ + ε).
/// s has no correction for its start at 0. If `warmup` is T > 0, α rises along a line over T steps,
/// and β₃ from β₁ so that the half-life of s rises along a line (eq. of section 3). Where the
/// divisor is 0, the step is 0.
struct AdEMAMix {
  /// lr: rate η. beta1, beta2, beta3: share of m, v and s that each step keeps. alpha: weight of s,
  /// α. eps: ε, which keeps the divisor from 0.
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, beta3 = 0.9999, alpha = 5, eps = 1e-8;
  Hyper warmup = 0;        ///< steps T over which α and β₃ rise; 0: none
  Hyper weight_decay = 0;  ///< decoupled decay λ

  static constexpr Card card{
      .name = "ademamix",
      .title = "AdEMAMix: AdamW with a slow average of the gradient besides",
      .formula = "m, v as Adam,  s = β₃s + (1−β₃)g,  θ ← (1−ηλ)θ − η (m̂ + α s)/(√v̂+ε)",
      .paper = "Pagliardini et al. 2024, arXiv:2409.03137",
      .when = "Long runs of many thousand steps: old gradients go on helping.",
      .avoid = "Short runs: β₃ = .9999 remembers 10,000 steps.",
      .traps = "Early in a run use warmup, about the number of all steps; without it s overshoots.",
      .state = 3};
  /// m, s, v: fast and slow moving average of g, and moving average of g².
  static constexpr std::array slot_names{"m", "slow", "v"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("beta3", r.beta3, kUnit);
    f("alpha", r.alpha, kNonNegative);
    f("warmup", r.warmup, Range{0, 1e15});
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const detail::AdamMoments<T> adam(s, lr, beta1, beta2, eps);
    const double share = warmup(s) > 0 ? std::min(1.0, static_cast<double>(s.t) / warmup(s)) : 1.0;
    double kept = beta3(s);
    if (share < 1 && beta1(s) > 0 && kept > 0) {
      const double low = std::log(beta1(s)), high = std::log(kept);
      kept = std::min(kept, std::exp(low * high / ((1 - share) * high + share * low)));
    }
    const T b3 = T(kept), k3 = T(1 - kept), of_slow = T(lr(s) * share * alpha(s));
    const T keep = T(1 - lr(s) * weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& slow, auto& v) {
      adam.observe(g, m, v);
      slow = b3 * slow + k3 * g;
      const auto d = sqrt(v) * adam.root + adam.e;
      w = keep * w - where(d == 0, 0, (adam.eta * m + of_slow * slow) / d);
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN AdEMAMix
#include <descent/optim/engine/built_in.inc>
