// Adafactor: Adam's second moment kept as one number a row and one a column.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Shazeer & Stern 2018, arXiv:1804.04235, Alg. 4 and 5, without momentum. With β = 1 − t^(−decay)
/// and G = g² + ε₁ (ε₁ inside, as in the paper):
///   matrices: R = βR + (1−β)·mean over columns of G, C = … over rows, V = R·C/mean(R);
///   vectors:  V = βV + (1−β)G;
///   u = g/√V,  u ← u/max(1, RMS(u)/clip),  α = max(ε₂, RMS(θ))·min(η, 1/√t),
///   θ ← (1 − ηλ)θ − α·u.
/// More than two dimensions: R and C over the last two. g² is cut off at 1/4096 of the largest
/// number: at gradients of 2.9e17 in float, 6.6e152 in double.
struct Adafactor {
  Hyper lr = 1e-2, beta2_decay = 0.8, eps1 = 1e-30, eps2 = 1e-3, clip = 1, weight_decay = 0;

  static constexpr Card card{
      .name = "adafactor",
      .title = "Adafactor: a factored second moment",
      .formula =
          "V = R·C/mean(R),  u = g/√V,  u ← u/max(1, RMS u),  θ −= max(ε₂, RMS θ) min(η, 1/√t) u",
      .paper = "Shazeer & Stern 2018, arXiv:1804.04235",
      .when = "Memory is short: (r + c) numbers for a matrix of r·c.",
      .avoid = "Small models: Adam fits better, and memory is no concern.",
      .traps =
          "The rate is relative to the size of the weights. Where ε₁ stands differs between "
          "libraries; here it is added to g², as in the paper.",
      .state = 0};
  static constexpr std::array slot_names{"row", "column", "square"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta2_decay", r.beta2_decay, kPositive);
    f("eps1", r.eps1, kPositive);
    f("eps2", r.eps2, kNonNegative);
    f("clip", r.clip, kPositive);
    f("weight_decay", r.weight_decay, kNonNegative);
  }
  std::optional<Shape> slot_shape(int slot, const Shape& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

template <>
inline constexpr bool detail::built_in<Adafactor> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Adafactor)
#endif

}  // namespace descent::optim
