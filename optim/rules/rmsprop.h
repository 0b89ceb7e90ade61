// RMSProp: AdaGrad with a moving average in place of the sum, so that the rate does not fall to 0.
#pragma once

#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// RMSProp. Source: Tieleman & Hinton 2012, lecture 6.5; `centered`: Graves 2013, arXiv:1308.0850:
///   v = α·v + (1 − α)·g²,  d = √v + ε,  θ −= η·g/d.
///   centered:  d = √(v − ḡ²) + ε.    momentum:  b = μ·b + g/d,  θ −= η·b.
/// Deviations, as in PyTorch: α is 0.99 by default, where the lecture has 0.9. ε stands outside the
/// root; with `eps_inside_sqrt` ε stands inside, as in Graves. The rate is not inside b, as it is
/// in Graves. weight_decay adds λθ to g (L2). If v − ḡ² rounds below 0, it counts as 0. Where the
/// divisor is 0, the step is 0.
struct RMSProp {
  /// lr: rate η. alpha: share of v that each step keeps, α. eps: ε, which keeps the divisor from 0.
  /// momentum: share of b that each step keeps, μ. weight_decay: L2 penalty λ.
  Hyper lr = 1e-2, alpha = 0.99, eps = 1e-8, momentum = 0, weight_decay = 0;
  /// centered: divides by the standard deviation of g. eps_inside_sqrt: puts ε inside the root.
  /// maximize: climbs instead of descending.
  bool centered = false, eps_inside_sqrt = false, maximize = false;

  static constexpr Card card{
      .name = "rmsprop",
      .title = "RMSProp",
      .formula = "v = αv + (1−α)g²,  θ −= η g / (√v + ε)",
      .paper = "Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, arXiv:1308.0850",
      .when = "Gradients of changing size, recurrent networks.",
      .avoid = "Sparse gradients: v forgets between two of them.",
      .traps =
          "No bias correction: the first steps are 1/√(1−α) too long. Where ε stands changes "
          "small gradients a hundredfold.",
      .state = 1,
      .basic = true};
  /// square: v, the moving average of g². momentum: b. mean: ḡ, the moving average of g.
  static constexpr std::array slot_names{"square", "momentum", "mean"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("alpha", r.alpha, kUnit);
    f("eps", r.eps, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("centered", r.centered);
    f("eps_inside_sqrt", r.eps_inside_sqrt);
    f("maximize", r.maximize);
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const T eta = T(lr(s)), a = T(alpha(s)), a1 = T(1 - alpha(s)), decay = T(weight_decay(s));
    const T mu = T(momentum(s)), e = T(eps(s));
    const auto scaled = [=, inside = eps_inside_sqrt](auto g, auto square) {
      return ratio(g, inside ? sqrt(square + e) : sqrt(square) + e);
    };
    const auto decayed = [=](auto g, auto w) { return decay == 0 ? g : g + decay * w; };
    const auto central = [=](auto g, auto& v, auto& mean) {
      v = fma(a, v, a1 * g * g);
      mean = fma(a, mean, a1 * g);
      const auto square = v - mean * mean;
      return scaled(g, max(square, 0));
    };
    const auto plain = [=](auto g, auto& v) {
      v = fma(a, v, a1 * g * g);
      return scaled(g, v);
    };
    const bool moves = momentum(s) != 0;
    if (!centered && !moves)
      run([=](auto& w, auto g, auto& v) { w = fma(-eta, plain(decayed(g, w), v), w); });
    else if (!centered)
      run([=](auto& w, auto g, auto& v, auto& b) {
        b = mu * b + plain(decayed(g, w), v);
        w -= eta * b;
      });
    else if (!moves)
      run([=](auto& w, auto g, auto& v, auto& m) { w -= eta * central(decayed(g, w), v, m); },
          "square", "mean");
    else
      run([=](auto& w, auto g, auto& v, auto& b, auto& m) {
        b = mu * b + central(decayed(g, w), v, m);
        w -= eta * b;
      });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN RMSProp
#include <descent/optim/engine/built_in.inc>
