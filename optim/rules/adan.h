// Adan: Nesterov's momentum, reformulated so that no second gradient is needed.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Adan. Source: Xie et al. 2022, arXiv:2208.06677, Alg. 1. With d = g − g₋, and d = 0 at the first
/// step:
///   m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)d,  n = β₃n + (1−β₃)(g + β₂d)²,
///   θ ← (θ − η·(m̂ + β₂v̂)/(√n̂ + ε)) / (1 + ηλ).
/// Deviations, as in the authors' code: m, v and n are corrected for their start at 0. β is the
/// share that each step keeps; the paper writes β for 1 minus that share. Where the divisor is 0,
/// the step is 0.
struct Adan {
  /// lr: rate η. beta1, beta2, beta3: share of m, v and n that each step keeps. eps: ε, which keeps
  /// the divisor from 0. weight_decay: decay λ.
  Hyper lr = 1e-3, beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, eps = 1e-8, weight_decay = 0;

  static constexpr Card card{
      .name = "adan",
      .title = "Adan: adaptive Nesterov momentum",
      .formula =
          "d = g − g₋,  m of g,  v of d,  n of (g + β₂d)²,  θ ← (θ − η(m̂ + β₂v̂)/(√n̂ + ε))/(1+ηλ)",
      .paper = "Xie et al. 2022, arXiv:2208.06677",
      .when = "Vision transformers and the like, with large batches and large rates.",
      .avoid = "Tight memory: four numbers a parameter.",
      .traps = "β₁ = .98 remembers 50 steps: slow on short runs. Papers write β as 1 − β.",
      .state = 4};
  /// m, v, n: moving averages of g, of d and of (g + β₂d)². previous: the gradient before, g₋.
  static constexpr std::array slot_names{"m", "v", "n", "previous"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("beta3", r.beta3, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const auto correction = [&](const Hyper& beta) {
      return 1 - std::pow(beta(s), static_cast<double>(s.t));
    };
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T b3 = T(beta3(s)), k3 = T(1 - beta3(s)), e = T(eps(s));
    const T of_m = T(lr(s) / correction(beta1)), of_v = T(lr(s) * beta2(s) / correction(beta2));
    const T root = T(1 / std::sqrt(correction(beta3)));
    const T shrink = T(1 / (1 + lr(s) * weight_decay(s)));
    const bool first = s.t == 1;
    return [=](auto& w, auto g, auto& m, auto& v, auto& n, auto& before) {
      const auto d = first ? T(0) : g - before, ahead = g + b2 * d;
      m = b1 * m + k1 * g;
      v = b2 * v + k2 * d;
      n = b3 * n + k3 * ahead * ahead;
      const auto size = sqrt(n) * root + e;
      w = (w - where(size == 0, 0, (of_m * m + of_v * v) / size)) * shrink;
      before = g;
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Adan
#include <descent/optim/engine/built_in.inc>
