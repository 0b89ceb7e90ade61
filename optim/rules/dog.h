// DoG and DoWG: the distance from the start, over the gradients so far, gives the rate.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/squares.h>

#include <cmath>

namespace descent::optim {

/// DoG, distance over gradients. Source: Ivgi et al. 2023, arXiv:2302.12022, Alg. 1, as the
/// authors' code. θ₀ are the first weights; norms run over all parameters:
///   r̄ = max(r̄, ‖θ − θ₀‖),  G += ‖g‖²,  θ −= η·r̄/√G · g.
/// r̄ starts at r_rel·(1 + ‖θ₀‖), and G at ε. weight_decay adds λθ to g (L2). The rule keeps the
/// average that the paper evaluates, x̄ += 9/(8 + t)·(θ − x̄): swap_average() uses it.
///
/// `weighted`: DoWG, distance over weighted gradients. Source: Khaled et al. 2023,
/// arXiv:2305.16284, Alg. 1, with G = 0 at first:
///   G += r̄²‖g‖²,  θ −= η·r̄²/(√G + ε) · g.
/// Deviations of DoWG: r̄ starts as DoG's, and x̄ is DoG's average; the paper weighs its average by
/// r̄². The authors' code has one ε of 1e-4, which is the first r̄² too.
struct DoG {
  /// lr: factor η of the rate that is found; leave it at 1. r_rel: first distance. eps: ε.
  /// weight_decay: decay λ.
  Hyper lr = 1, r_rel = 1e-6, eps = 1e-8, weight_decay = 0;
  bool weighted = false;  ///< weighs each gradient by the distance at its step

  static constexpr Card card{
      .name = "dog",
      .title = "DoG: distance over gradients, without a rate to tune",
      .formula = "r̄ = max(r̄, ‖θ − θ₀‖),  G += ‖g‖²,  θ −= η r̄/√G g",
      .paper = "Ivgi et al. 2023, arXiv:2302.12022",
      .when = "SGD on a new problem whose rate is unknown: leave lr at 1, evaluate the average.",
      .avoid = "Where Adam beats SGD by far: one rate serves all weights.",
      .traps = "Meant with averaging: swap_average(). The rate never falls by itself.",
      .state = 2};
  /// start: θ₀. mean: x̄.
  static constexpr std::array slot_names{"start", "mean"};
  /// r̄ and G, the same for all parameters.
  static constexpr std::array numbers{Number{"distance", 0}, Number{"sum", 0}};
  static constexpr bool shares_sums = true;  ///< one rate serves all parameters
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("r_rel", r.r_rel, kPositive);
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("weighted", r.weighted);
  }
  /// dowg.
  static std::vector<Preset<DoG>> presets() {
    return {{"dowg",
             {.eps = 0, .weighted = true},
             {.title = "DoWG: DoG with weighted gradients",
              .formula = "r̄ = max(r̄, ‖θ − θ₀‖),  G += r̄²‖g‖²,  θ −= η r̄²/√G g",
              .paper = "Khaled et al. 2023, arXiv:2305.16284",
              .when = "As DoG; its rate follows the gradients of late more than the early ones.",
              .traps = "Its steps are larger than DoG's, and may be unstable on nets."}}};
  }

  /// False before the first step of all parameters.
  static bool has_begun(Step s) { return s.numbers[0] > 0; }
  template <class T>
  void measure(Step s, auto&& run) const {
    const T decay = T(weight_decay(s)), first = T(has_begun(s) ? 0 : 1);
    const detail::Squares<T> squares;
    if (s.t == 1)  // of this parameter, which may get its first gradient late
      run([=](auto w, auto g, auto& start) {
        start = w;
        return squares.terms(first * w * w, fma(decay, w, g));
      });
    else
      run([=](auto w, auto g, auto start) {
        const auto moved = w - start;
        return squares.terms(moved * moved, fma(decay, w, g));
      });
  }
  template <class T>
  void dispatch(Step s, auto&& run) const {
    double &distance = s.numbers[0], &sum = s.numbers[1];
    const double length = std::sqrt(s.sums[0]), slope = detail::Squares<T>::norm(s.sums);
    if (!has_begun(s)) sum = weighted ? 0 : eps(s);
    distance = has_begun(s) ? std::fmax(distance, length) : r_rel(s) * (1 + length);
    const double share = weighted ? distance * distance : 1;  // of ‖g‖² in G
    sum += share * slope * slope;
    const double above = weighted ? share : distance,
                 below = std::sqrt(sum) + (weighted ? eps(s) : 0);
    const T eta = T(below > 0 ? lr(s) * above / below : 0), decay = T(weight_decay(s)),
            fresh = T(9.0 / (8.0 + static_cast<double>(s.t)));
    run([=](auto& w, auto g, auto, auto& mean) {
      w -= eta * fma(decay, w, g);
      mean = fma(fresh, w - mean, mean);
    });
  }
  /// x̄.
  Tensor average(Step, const Tensor&, std::span<const Tensor> kept) const { return kept[1]; }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN DoG
#include <descent/optim/engine/built_in.inc>
