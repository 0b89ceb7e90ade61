// Adafactor: keeps of Adam's v only one number for each row and one for each column of a matrix.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Adafactor. Source: Shazeer & Stern 2018, arXiv:1804.04235, Alg. 4 and 5, without momentum. With
/// β = 1 − t^(−beta2_decay) and G = g² + ε₁:
///   matrices:  R = βR + (1−β)·(mean of each row of G),  C = βC + (1−β)·(mean of each column of G),
///              V = R·C/mean(R);
///   vectors:   V = βV + (1−β)G;
///   u = g/√V,  u ← u/max(1, RMS(u)/clip),  α = max(ε₂, RMS(θ))·min(η, 1/√t),
///   θ ← (1 − ηλ)θ − α·u.
/// ε₁ is added to g², as in the paper. A parameter with more than two dimensions is a stack of
/// matrices in the last two dimensions; RMS runs over the whole stack. Deviations: the decay ηλ,
/// which the paper does not have; g² is cut off at 1/4096 of the largest number of the dtype, so
/// that sums stay finite. The cut begins at |g| of 2.9e17 in float and of 6.6e152 in double.
struct Adafactor {
  /// lr: largest rate η, as a share of RMS(θ). beta2_decay: how fast β grows to 1. eps1: added to
  /// g², ε₁. eps2: least size of the weights, ε₂. clip: largest RMS(u). weight_decay: decoupled
  /// decay λ.
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
  /// row, column: R and C of a matrix. square: V of a vector.
  static constexpr std::array slot_names{"row", "column", "square"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta2_decay", r.beta2_decay, kPositive);
    f("eps1", r.eps1, kPositive);
    f("eps2", r.eps2, kNonNegative);
    f("clip", r.clip, kPositive);
    f("weight_decay", r.weight_decay, kNonNegative);
  }
  /// R and C lack one of the last two dimensions of w. A vector has V, of its own shape.
  std::optional<Shape> slot_shape(int slot, const Shape& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Adafactor
#include <descent/optim/engine/built_in.inc>
