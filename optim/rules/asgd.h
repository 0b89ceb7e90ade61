// ASGD: gradient descent whose result is the average of all weights on the way.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Averaged SGD. Sources: Polyak & Juditsky 1992, SIAM J. Control Optim. 30:838; in the form of
/// Bottou 2010, COMPSTAT, and of PyTorch:
///   η_t = η/(1 + λ_a·η·(t−1))^α,  θ ← (1 − λ_a·η_t)θ − η_t·g,
///   a += (θ − a)·μ_t,  μ_t = 1/max(1, t − 1 − t₀).
/// The result of training is a: see Optimizer::swap_average(). weight_decay adds λθ to g (L2), as
/// in PyTorch. Deviation: η_t follows lr at the present step. In PyTorch η_t follows lr at the step
/// before.
struct ASGD {
  /// lr: first rate η. lambd: decay of the weights and of the rate, λ_a. alpha: power by which the
  /// rate falls, α. t0: updates before averaging begins, t₀. weight_decay: L2 penalty λ.
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
  /// average: a, the average of the weights.
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
  /// Returns a, where the model is to be evaluated.
  Tensor average(Step, const Tensor&, std::span<const Tensor> state) const { return state[0]; }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN ASGD
#include <descent/optim/engine/built_in.inc>
