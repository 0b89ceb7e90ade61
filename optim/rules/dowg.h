// DoWG: DoG with weighted gradients.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/squares.h>

#include <cmath>

namespace descent::optim {

/// DoWG, distance over weighted gradients. Source: Khaled et al. 2023, arXiv:2305.16284, Alg. 1. θ₀
/// are the first weights; norms run over all parameters:
///   r̄² = max(r̄², ‖θ − θ₀‖²),  v += r̄²‖g‖²,  θ −= η·r̄²/(√v + ε) · g.
/// r̄ starts at r_rel·(1 + ‖θ₀‖), as DoG's. weight_decay adds λθ to g (L2). Deviation: the authors'
/// code has one ε of 1e-4, which is the first r̄² too.
struct DoWG {
  /// lr: factor η of the rate that is found; leave it at 1. r_rel: first distance. eps: ε.
  /// weight_decay: decay λ.
  Hyper lr = 1, r_rel = 1e-6, eps = 0, weight_decay = 0;

  static constexpr Card card{
      .name = "dowg",
      .title = "DoWG: DoG with weighted gradients",
      .formula = "r̄ = max(r̄, ‖θ − θ₀‖),  v += r̄²‖g‖²,  θ −= η r̄²/√v g",
      .paper = "Khaled et al. 2023, arXiv:2305.16284",
      .when = "As DoG; its rate follows the gradients of late more than the early ones.",
      .avoid = "Where Adam beats SGD by far: one rate serves all weights.",
      .traps = "Its steps are larger than DoG's, and may be unstable on nets.",
      .state = 1};
  static constexpr std::array slot_names{"start"};  ///< θ₀
  /// r̄² and v, the same for all parameters.
  static constexpr std::array numbers{Number{"square", 0}, Number{"v", 0}};
  static constexpr bool shares_sums = true;  ///< one rate serves all parameters
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("r_rel", r.r_rel, kPositive);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
  }

  template <class T>
  void measure(Step s, auto&& run) const {
    const T decay = T(weight_decay(s));
    const detail::Squares<T> squares;
    if (s.t == 1)
      run([=](auto w, auto g, auto& start) {
        start = w;
        return squares.terms(w * w, fma(decay, w, g));
      });
    else
      run([=](auto w, auto g, auto start) {
        const auto far = w - start;
        return squares.terms(far * far, fma(decay, w, g));
      });
  }
  template <class T>
  void dispatch(Step s, auto&& run) const {
    double &square = s.numbers[0], &v = s.numbers[1];
    const double first = r_rel(s) * (1 + std::sqrt(s.sums[0]));
    square = s.t == 1 ? first * first : std::fmax(square, s.sums[0]);
    const double slope = detail::Squares<T>::norm(s.sums);
    v += square * slope * slope;
    const double divisor = std::sqrt(v) + eps(s);
    const T eta = T(divisor > 0 ? lr(s) * square / divisor : 0), decay = T(weight_decay(s));
    run([=](auto& w, auto g) { w -= eta * fma(decay, w, g); });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN DoWG
#include <descent/optim/engine/built_in.inc>
