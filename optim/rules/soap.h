// SOAP: Adam in the eigenbasis of Shampoo's preconditioner.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// SOAP. Source: Vyas et al. 2024, arXiv:2409.11321, Alg. 3 and 4. For a matrix, L and R are the
/// moving averages of ggᵀ and of gᵀg. Q_L and Q_R hold the eigenvectors of L and R. With k = t − 1:
///   m = β₁m + (1−β₁)g,  m′ = Q_Lᵀ m Q_R,  v = β₂v + (1−β₂)(Q_Lᵀ g Q_R)²,
///   θ −= η·√(1−β₂ᵏ)/(1−β₁ᵏ) · Q_L (m′/(√v + ε)) Q_Rᵀ,  θ ← (1 − ηλ)θ.
/// The first Q_L is an eigendecomposition of L. Every `frequency` steps Q_L takes one step of
/// orthogonal iteration, Q_L ← qr(L·Q_L). The columns q of Q_L are sorted before, by falling qᵀLq,
/// and the rows of v are sorted alike. The same is done with Q_R.
/// Deviations, as in the authors' code: the first gradient only makes L, R and Q and moves no
/// weight; L and R take in a gradient after the step. Parameters that are no matrices get Adam. If
/// a product overflows, L, R and Q stay as they are. With `exact_basis` each refresh is an
/// eigendecomposition, and v is not sorted.
struct SOAP {
  /// lr: rate η. beta1, beta2: share of m and v that each step keeps, β₁ and β₂. shampoo_beta:
  /// share of L and R that each step keeps; below 0: β₂. eps: ε, which keeps the divisor from 0.
  /// weight_decay: decoupled decay λ.
  Hyper lr = 3e-3, beta1 = 0.95, beta2 = 0.95, shampoo_beta = -1, eps = 1e-8, weight_decay = 0.01,
        frequency = 10;      ///< frequency: updates between refreshes of the eigenvectors
  bool exact_basis = false;  ///< computes the eigenvectors anew at each refresh

  static constexpr Card card{
      .name = "soap",
      .title = "SOAP: Adam in Shampoo's eigenbasis",
      .formula =
          "Q of EMA(ggᵀ), EMA(gᵀg);  m′ = Q_Lᵀ m Q_R,  v of (Q_Lᵀ g Q_R)²;  θ −= η "
          "Q_L(m′/(√v+ε))Q_Rᵀ",
      .paper = "Vyas et al. 2024, arXiv:2409.11321",
      .when = "Matrices whose directions are strongly coupled; fewer, dearer steps than Adam's.",
      .avoid = "Wide layers: two square matrices and their bases for each weight.",
      .traps = "The first step only looks. frequency trades the cost of the basis against its age.",
      .state = 2};
  /// m, v: the moving averages. left, right: L and R. basis_left, basis_right: Q_L and Q_R.
  static constexpr std::array slot_names{"m", "v", "left", "right", "basis_left", "basis_right"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("shampoo_beta", r.shampoo_beta, Range{-1, 1});
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("frequency", r.frequency, kCount);
    f("exact_basis", r.exact_basis);
  }
  /// m and v have the shape of w. The others are square, and only matrices have them.
  std::optional<Shape> slot_shape(int slot, const Shape& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN SOAP
#include <descent/optim/engine/built_in.inc>
