// What Adam, AdamW and AMSGrad share: two moving averages of the gradient, and the step that
// follows from these averages.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim::detail {

/// Alg. 1 of Kingma & Ba 2015, arXiv:1412.6980, at one step. T is float or double.
template <class T>
struct AdamMoments {
  T b1, k1, b2, k2;  // β and 1 − β
  T eta, root, e;    // η/(1−β₁ᵗ), 1/√(1−β₂ᵗ), ε

  AdamMoments(Step s, const Hyper& lr, const Hyper& beta1, const Hyper& beta2, const Hyper& eps)
      : b1(T(beta1(s))),
        k1(T(1 - beta1(s))),
        b2(T(beta2(s))),
        k2(T(1 - beta2(s))),
        eta(T(lr(s) / (1 - std::pow(beta1(s), static_cast<double>(s.t))))),
        root(T(1 / std::sqrt(1 - std::pow(beta2(s), static_cast<double>(s.t))))),
        e(T(eps(s))) {}

  /// m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²
  void observe(auto g, auto& m, auto& v) const {
    m = b1 * m + k1 * g;
    v = b2 * v + k2 * g * g;
  }
  /// Returns η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε), and 0 where the divisor is 0.
  auto step(auto m, auto v) const {
    const auto d = sqrt(v) * root + e;
    return where(d == 0, 0, eta * m / d);
  }
};

}  // namespace descent::optim::detail
