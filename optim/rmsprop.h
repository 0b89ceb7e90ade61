// RMSProp: AdaGrad with a moving average in place of the sum, so that the rate does not die.
#pragma once

#include <descent/optim/rule.h>

#include <cmath>

namespace descent::optim {

/// Tieleman & Hinton 2012, lecture 6.5:  v = α·v + (1 − α)·g²,  d = √v + ε,  θ −= η·g/d.
/// Centered (Graves 2013, arXiv:1308.0850): d = √(v − ḡ²) + ε, with ḡ the moving average of g; a
/// difference that rounds below zero counts as zero. Momentum: b = μ·b + g/d, θ −= η·b.
/// Defaults are PyTorch's; the lecture has α = 0.9. `eps_inside_sqrt` puts ε under the root.
struct RMSProp {
  Hyper lr = 1e-2, alpha = 0.99, eps = 1e-8, momentum = 0, weight_decay = 0;
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
      .state = 1};
  static constexpr std::array slots{"square", "momentum", "mean"};
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
    const T inside = eps_inside_sqrt ? e : T(0), outside = eps_inside_sqrt ? T(0) : e;
    const auto ratio = [=](T g, T square) {
      const T d = std::sqrt(square + inside) + outside;
      return d == 0 ? T(0) : g / d;
    };
    const auto central = [=](T g, T& v, T& mean) {
      v = a * v + a1 * g * g;
      mean = a * mean + a1 * g;
      const T square = v - mean * mean;
      return ratio(g, square > 0 ? square : T(0));
    };
    const auto plain = [=](T g, T& v) {
      v = a * v + a1 * g * g;
      return ratio(g, v);
    };
    const bool moves = momentum(s) != 0;
    if (!centered && !moves)
      run([=](T& w, T g, T& v) { w -= eta * plain(g + decay * w, v); }, 0);
    else if (!centered)
      run([=](T& w, T g, T& v, T& b) { w -= eta * (b = mu * b + plain(g + decay * w, v)); }, 0, 1);
    else if (!moves)
      run([=](T& w, T g, T& v, T& m) { w -= eta * central(g + decay * w, v, m); }, 0, 2);
    else
      run([=](T& w, T g, T& v, T& b,
              T& m) { w -= eta * (b = mu * b + central(g + decay * w, v, m)); },
          0, 1, 2);
  }
};

extern template class detail::RuleOf<RMSProp>;

}  // namespace descent::optim
