// ASGD: gradient descent whose answer is the average of its path.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Polyak & Juditsky 1992; the form of Bottou 2010 and PyTorch:
///   η_t = η/(1 + λ_a·η·(t−1))^α,  θ ← (1 − λ_a·η_t)θ − η_t·g,
///   a += (θ − a)·μ_t,  μ_t = 1/max(1, t − 1 − t₀).
/// Evaluate at a: Optimizer::swap_average(). λ_a is lambd. weight_decay is L2. η_t follows the lr
/// of the present step; PyTorch's follows that of the step before.
struct ASGD {
  Hyper lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;

  static constexpr Card card{
      .name = "asgd",
      .title = "Averaged SGD",
      .formula = "θ ← (1−λη_t)θ − η_t g,  a += (θ − a)/max(1, t−1−t₀),  η_t = η/(1+λη(t−1))^α",
      .paper = "Polyak & Juditsky 1992; Bottou 2010",
      .when = "Convex problems with noise: the average converges as fast as any method can.",
      .avoid =
          "Deep networks, where the early path lies in another valley: use swa() late instead.",
      .traps =
          "The result is the average, not θ: swap_average(). With the default t₀ of a million "
          "steps it has not begun to average.",
      .state = 1};
  static constexpr std::array slot_names{"average"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("lambd", r.lambd, kNonNegative);
    f("alpha", r.alpha, kNonNegative);
    f("t0", r.t0, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  auto at(Step s) const {
    const auto before = static_cast<double>(s.t - 1);
    const double rate = lr(s) / std::pow(1 + lambd(s) * lr(s) * before, alpha(s));
    const T eta = T(rate), keep = T(1 - lambd(s) * rate), decay = T(weight_decay(s));
    const T share = T(1 / std::fmax(1, before - t0(s)));
    return [=](auto& w, auto g, auto& a) {
      g += decay * w;
      w = keep * w - eta * g;
      a = share == 1 ? w : a + (w - a) * share;
    };
  }
  Tensor average(Step, const Tensor&, std::span<const Tensor> state) const { return state[0]; }
};

template <>
inline constexpr bool detail::built_in<ASGD> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(ASGD)
#endif

}  // namespace descent::optim
