// AdamW: Adam with weight decay that is decoupled from the gradient.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2:
///   θ ← (1 − ηλ)θ,  m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  θ −= η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) +
///   ε).
/// The decay is scaled by η, as in PyTorch. The paper scales it by the schedule's factor alone:
/// `decoupled_lr` decays by λ·η_t/η_0, η_0 the schedule's first value: not for a schedule that
/// starts near zero, as warmup() does. `amsgrad` as in Adam.
struct AdamW {
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, decoupled_lr = false, maximize = false;

  static constexpr Card card{
      .name = "adamw",
      .title = "AdamW",
      .formula = "θ ← (1−ηλ)θ,  then Adam without L2",
      .paper = "Loshchilov & Hutter 2019, arXiv:1711.05101",
      .when = "Adam with regularisation that works: the default choice for most networks.",
      .avoid = "Tiny problems without overfitting, where the decay only adds a bias.",
      .traps =
          "Halving η halves the decay too. Biases and norms usually belong in a group with "
          "weight_decay 0.",
      .state = 2};
  static constexpr std::array slots{"m", "v", "v_max"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("amsgrad", r.amsgrad);
    f("decoupled_lr", r.decoupled_lr);
    f("maximize", r.maximize);
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const auto t = static_cast<double>(s.t);
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T eta = T(lr(s) / (1 - std::pow(beta1(s), t)));
    const T root = T(1 / std::sqrt(1 - std::pow(beta2(s), t))), e = T(eps(s));
    const double factor = !decoupled_lr ? lr(s) : lr(0) > 0 ? lr(s) / lr(0) : 0;
    const T keep = T(1 - factor * weight_decay(s));
    const auto step = [=](T m, T v) {
      const T d = std::sqrt(v) * root + e;
      return d == 0 ? T(0) : eta * m / d;
    };
    if (!amsgrad)
      run(
          [=](T& w, T g, T& m, T& v) {
            m = b1 * m + k1 * g;
            v = b2 * v + k2 * g * g;
            w = keep * w - step(m, v);
          },
          0, 1);
    else
      run(
          [=](T& w, T g, T& m, T& v, T& largest) {
            m = b1 * m + k1 * g;
            v = b2 * v + k2 * g * g;
            largest = largest > v ? largest : v;
            w = keep * w - step(m, largest);
          },
          0, 1, 2);
  }
};

extern template class detail::RuleOf<AdamW>;

}  // namespace descent::optim
