// LARS: momentum whose step is scaled, tensor by tensor, to the size of the weights.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/squares.h>

#include <cmath>

namespace descent::optim {

/// LARS. Source: You, Gitman & Ginsburg 2017, arXiv:1708.03888, Alg. 1:
///   l = trust·‖θ‖/(‖g‖ + λ‖θ‖),  b = μb + η·l·(g + λθ),  θ −= b.
/// The norms are those of each tensor. Deviations: if a norm is 0, l is 1; the rate follows a
/// schedule of your own, where Alg. 1 has a polynomial; `nesterov` steps by μb + η·l·(g + λθ).
struct LARS {
  /// lr: rate η. momentum: share of b that each step keeps, μ. weight_decay: L2 penalty λ. trust:
  /// the largest step at lr 1, as a share of a tensor's norm.
  Hyper lr = 0.1, momentum = 0.9, weight_decay = 0, trust = 1e-3;
  bool nesterov = false;  ///< looks ahead: Nesterov's momentum

  static constexpr Card card{
      .name = "lars",
      .title = "LARS: layer-wise adaptive rates around momentum",
      .formula = "l = trust ‖θ‖/(‖g‖ + λ‖θ‖),  b = μb + ηl(g + λθ),  θ −= b",
      .paper = "You, Gitman & Ginsburg 2017, arXiv:1708.03888",
      .when = "Convolutional networks with very large batches.",
      .avoid = "Biases and norms: put them in a group with plain SGD.",
      .traps =
          "trust multiplies lr: a rate of 0.1 with trust 1e-3 moves a layer by 1e-4 of its norm. "
          "It needs a warm-up.",
      .state = 1};
  /// momentum: b, the step with momentum.
  static constexpr std::array slot_names{"momentum"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("trust", r.trust, kNonNegative);
    f("nesterov", r.nesterov);
  }

  template <class T>
  void measure(Step, auto&& run) const {
    run([squares = detail::Squares<T>{}](auto w, auto g) { return squares.terms(w * w, g); });
  }
  template <class T>
  auto at(Step s) const {
    const double weights = std::sqrt(s.sums[0]), gradient = detail::Squares<T>::norm(s.sums);
    const bool known = weights > 0 && gradient > 0;
    const T eta =
        T(lr(s) * (known ? trust(s) * weights / (gradient + weight_decay(s) * weights) : 1));
    const T mu = T(momentum(s)), decay = T(weight_decay(s));
    const bool look_ahead = nesterov;
    return [=](auto& w, auto g, auto& b) {
      const auto step = eta * (g + decay * w);
      b = mu * b + step;
      w -= look_ahead ? mu * b + step : b;
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN LARS
#include <descent/optim/engine/built_in.inc>
