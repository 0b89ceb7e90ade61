// Schedule-Free: an average of the weights in place of a falling rate, for SGD and for AdamW.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/rule.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

namespace detail {

/// The rate η of a Schedule-Free step, and c, the share of z in the average. Reads and writes the
/// numbers of the rule: the sum of w so far, and the largest η so far.
struct FreeStep {
  double eta, c;
  FreeStep(Step s, double lr, double warmup, double r, double power) {
    const auto k = static_cast<double>(s.t - 1);
    eta = k < warmup ? lr * (k + 1) / warmup : lr;
    double &sum = s.numbers[0], &largest = s.numbers[1];
    largest = std::max(largest, eta);
    const double weight = std::pow(k + 1, r) * std::pow(largest, power);
    sum += weight;
    c = sum > 0 ? weight / sum : 0;
  }
};
/// weight_sum: Σw. lr_max: η_max.
inline constexpr std::array kFreeNumbers{Number{"weight_sum", 0}, Number{"lr_max", 0}};
/// Returns x = lerp(y, z, 1 − 1/β), where the model is to be evaluated.
inline Tensor free_average(const Tensor& y, const Tensor& z, double beta) {
  return y + (z - y) * (1 - 1 / beta);
}

}  // namespace detail

/// Schedule-Free AdamW. Source: Defazio et al. 2024, arXiv:2405.15682, Alg. 1, in the form of the
/// authors' AdamWScheduleFree. In training the weights are y. With c = w/Σw, w = tʳ·η_max^power:
///   v = β₂v + (1−β₂)g²,  u = g/(√v̂ + ε) + λy,
///   y ← lerp(y, z, c) + η(β₁(1−c) − 1)u,  z −= ηu.
/// The result of training is x = lerp(y, z, 1 − 1/β₁): see Optimizer::swap_average(). Deviation, as
/// in the authors' code: the decay is taken at y and η_max is the largest η so far.
struct ScheduleFreeAdamW {
  /// lr: rate η. beta1: share of x in y, β₁. beta2: share of v that each step keeps, β₂. eps: ε,
  /// which keeps the divisor from 0. weight_decay: decay λ. warmup: first updates, in which η rises
  /// linearly. r: power of t in the average.
  Hyper lr = 2.5e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, warmup = 0, r = 0,
        power = 2;  ///< power: power of η_max in the average

  static constexpr Card card{
      .name = "schedule_free_adamw",
      .title = "Schedule-Free AdamW",
      .formula =
          "u = g/(√v̂+ε) + λy,  y ← lerp(y, z, c) + η(β₁(1−c)−1)u,  z −= ηu;  x = lerp(y, z, "
          "1−1/β₁)",
      .paper = "Defazio et al. 2024, arXiv:2405.15682",
      .when = "When the length of the run is not known: as good as a schedule, without one.",
      .avoid =
          "Batch norm without recomputing its statistics at x; swa, ema and lookahead around it.",
      .traps =
          "The weights in training are y; evaluate, save for use and compare at x, by "
          "swap_average(). Do not lower its rate as well.",
      .state = 2};
  /// z: where plain steps would lead. v: moving average of g².
  static constexpr std::array slot_names{"z", "v"};
  /// Σw and η_max.
  static constexpr std::array numbers = detail::kFreeNumbers;
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, Range{0, 1, true, true});
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("warmup", r.warmup, kNonNegative);
    f("r", r.r, kNonNegative);
    f("power", r.power, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const detail::FreeStep free(s, lr(s), warmup(s), r(s), power(s));
    const double root = std::sqrt(1 - std::pow(beta2(s), static_cast<double>(s.t)));  // √(1−β₂ᵗ)
    const T eta = T(root * free.eta), c = T(free.c),
            of_u = T(root * free.eta * (beta1(s) * (1 - free.c) - 1));
    const T b2 = T(beta2(s)), k2 = T(1 - beta2(s)), e = T(root * eps(s)),
            decay = T(weight_decay(s) / root);
    const bool first = s.t == 1;
    return [=](auto& y, auto g, auto& z, auto& v) {
      v = fma(b2, v, k2 * g * g);
      const auto u = fma(decay, y, ratio(g, sqrt(v) + e)), from = first ? y : z;
      y = fma(of_u, u, fma(c, from - y, y));
      z = fma(-eta, u, from);
    };
  }
  /// Returns x, where the model is to be evaluated.
  Tensor average(Step s, const Tensor& y, std::span<const Tensor> state) const {
    return detail::free_average(y, state[0], beta1(s));
  }
};

/// Schedule-Free SGD: as ScheduleFreeAdamW, with u = g + λy, and with momentum in the place of β₁.
/// Source: Defazio et al. 2024, arXiv:2405.15682, in the form of the authors' SGDScheduleFree.
struct ScheduleFreeSGD {
  /// lr: rate η. momentum: share of x in y, μ. weight_decay: decay λ. warmup: first updates, in
  /// which η rises linearly. r, power: powers of t and of η_max in the average.
  Hyper lr = 1, momentum = 0.9, weight_decay = 0, warmup = 0, r = 0, power = 2;

  static constexpr Card card{
      .name = "schedule_free_sgd",
      .title = "Schedule-Free SGD",
      .formula = "u = g + λy,  y ← lerp(y, z, c) + η(μ(1−c)−1)u,  z −= ηu;  x = lerp(y, z, 1−1/μ)",
      .paper = "Defazio et al. 2024, arXiv:2405.15682",
      .when = "Where momentum would do, and the length of the run is not known.",
      .avoid = "As schedule_free_adamw.",
      .traps =
          "Its rate is larger than momentum's, about 1/(1−μ) times. Evaluate at x: "
          "swap_average().",
      .state = 1};
  /// z: where plain steps would lead.
  static constexpr std::array slot_names{"z"};
  /// Σw and η_max.
  static constexpr std::array numbers = detail::kFreeNumbers;
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, Range{0, 1, true, true});
    f("weight_decay", r.weight_decay, kNonNegative);
    f("warmup", r.warmup, kNonNegative);
    f("r", r.r, kNonNegative);
    f("power", r.power, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const detail::FreeStep free(s, lr(s), warmup(s), r(s), power(s));
    const T eta = T(free.eta), c = T(free.c), of_u = T(free.eta * (momentum(s) * (1 - free.c) - 1));
    const T decay = T(weight_decay(s));
    const bool first = s.t == 1;
    return [=](auto& y, auto g, auto& z) {
      const auto u = g + decay * y, from = first ? y : z;
      y = y + c * (from - y) + of_u * u;
      z = from - eta * u;
    };
  }
  /// Returns x, where the model is to be evaluated.
  Tensor average(Step s, const Tensor& y, std::span<const Tensor> state) const {
    return detail::free_average(y, state[0], momentum(s));
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN ScheduleFreeAdamW
#include <descent/optim/engine/built_in.inc>
#define DESCENT_BUILT_IN ScheduleFreeSGD
#include <descent/optim/engine/built_in.inc>
