// Adam: momentum and a rate for each parameter, both corrected for their start at zero.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Kingma & Ba 2015, arXiv:1412.6980, Alg. 1:
///   m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  θ −= η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
/// ε is added after the correction of v, as in Alg. 1 and PyTorch. weight_decay is L2: λθ is added
/// to g first, and then scaled like any gradient (AdamW does not).
/// `amsgrad` (Reddi et al. 2018, arXiv:1904.09237) divides by the largest v so far; of three
/// versions in use this is PyTorch's: the maximum of the raw v, corrected afterwards.
struct Adam {
  Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;

  static constexpr Card card{
      .name = "adam",
      .title = "Adam",
      .formula = "m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  θ −= η m̂ / (√v̂ + ε)",
      .paper = "Kingma & Ba 2015, arXiv:1412.6980; AMSGrad: Reddi et al. 2018, arXiv:1904.09237",
      .when = "The first thing to try: works at its defaults on most problems.",
      .avoid = "When weight decay matters: adamw. When the last per cent counts: tuned momentum.",
      .traps =
          "Its L2 is not weight decay (use adamw). The first step has size η whatever the "
          "gradient. May fail to converge where large gradients are rare (amsgrad mends it).",
      .state = 2};
  static constexpr std::array slots{"m", "v", "v_max"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("amsgrad", r.amsgrad);
    f("maximize", r.maximize);
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const auto t = static_cast<double>(s.t);
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T eta = T(lr(s) / (1 - std::pow(beta1(s), t)));
    const T root = T(1 / std::sqrt(1 - std::pow(beta2(s), t)));
    const T e = T(eps(s)), decay = T(weight_decay(s));
    const auto step = [=](T m, T v) {
      const T d = std::sqrt(v) * root + e;
      return d == 0 ? T(0) : eta * m / d;
    };
    if (!amsgrad)
      run(
          [=](T& w, T g, T& m, T& v) {
            g += decay * w;
            m = b1 * m + k1 * g;
            v = b2 * v + k2 * g * g;
            w -= step(m, v);
          },
          0, 1);
    else
      run(
          [=](T& w, T g, T& m, T& v, T& largest) {
            g += decay * w;
            m = b1 * m + k1 * g;
            v = b2 * v + k2 * g * g;
            largest = largest > v ? largest : v;
            w -= step(m, largest);
          },
          0, 1, 2);
  }
};

extern template class detail::RuleOf<Adam>;

}  // namespace descent::optim
