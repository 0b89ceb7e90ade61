// MoMo: momentum whose rate follows from a model of the loss.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

namespace descent::optim {

namespace detail {
/// What one step of MoMo leaves to the next.
struct MomoMemory {
  Tensor direction;            ///< d, the moving average of gradients, (n)
  double loss = 0, slope = 0;  ///< f̄ and γ, those of the loss and of ⟨g, θ⟩
  void state(StateVisitor& visit, std::int64_t n);
};
}  // namespace detail

/// MoMo. Source: Schaipp et al. 2023, arXiv:2305.07583, Alg. 1. d, f̄ and γ are moving averages of
/// g, of the loss f and of ⟨g, θ⟩, which begin with their first values. With weight decay λ:
///   η = min(lr, max(0, (1 + lr·λ)(f̄ − f* − γ) + ⟨d, θ⟩)/‖d‖²),  θ ← (θ − η·d)/(1 + lr·λ).
/// Without the paper's online estimate of f*, and without bias correction, as its code by default.
/// Needs a closure and one group. Works in double for every dtype. A missing gradient counts as 0,
/// and its parameter does not decay.
struct MoMo {
  /// lr: bound of the rate, α. beta: share of d, f̄ and γ that each step keeps. f_star: the smallest
  /// loss that can be reached, f*. weight_decay: decay λ.
  Hyper lr = 1, beta = 0.9, f_star = 0, weight_decay = 0;

  static constexpr Card card{
      .name = "momo",
      .title = "MoMo: momentum with a rate from a model of the loss",
      .formula = "η = min(lr, (f̄ + ⟨d, θ⟩ − γ − f*)/‖d‖²),  θ −= η d,  averages d, f̄, γ",
      .paper = "Schaipp et al. 2023, arXiv:2305.07583",
      .when = "SGD with momentum where the rate is hard to tune and the loss can reach about f*.",
      .avoid = "Losses whose minimum is unknown and far from 0.",
      .traps = "f_star above the minimum stops the run. Needs a closure. lr is only a bound.",
      .state = 1};
  /// None: the memory keeps d.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta", r.beta, kUnit);
    f("f_star", r.f_star, Range{-1e15, 1e15});
    f("weight_decay", r.weight_decay, kNonNegative);
  }
  using Memory = detail::MomoMemory;  ///< what one step leaves to the next
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN MoMo
#include <descent/optim/engine/built_in.inc>
