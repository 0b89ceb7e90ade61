// SOAP: Adam in the eigenbasis of Shampoo's preconditioner.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Vyas et al. 2024, arXiv:2409.11321, Alg. 3 and 4. For matrices L = EMA of ggᵀ, R = EMA of gᵀg, Q
/// their eigenvectors, brought up to date every `frequency` steps:
///   m = β₁m + (1−β₁)g,  m′ = Q_Lᵀ m Q_R,  v = β₂v + (1−β₂)(Q_Lᵀ g Q_R)²,
///   θ −= η·√(1−β₂ᵏ)/(1−β₁ᵏ) · Q_L (m′/(√v + ε)) Q_Rᵀ,  θ ← (1 − ηλ)θ,  k = t − 1.
/// As in the authors' code the first gradient only makes L, R and Q, and L and R take in a gradient
/// after the step. The first Q is an eigendecomposition; from then on Q takes one step of
/// orthogonal iteration, Q ← qr(LQ), its columns (and with them v's rows) first sorted by falling
/// qᵀLq. With `exact_basis` it is an eigendecomposition each time, and v stays. Vectors get Adam.
/// shampoo_beta < 0 stands for β₂.
struct SOAP {
  Hyper lr = 3e-3, beta1 = 0.95, beta2 = 0.95, shampoo_beta = -1, eps = 1e-8, weight_decay = 0.01,
        frequency = 10;
  bool exact_basis = false;

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
  static constexpr std::array slot_names{"m", "v", "left", "right", "basis_left", "basis_right"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kUnit);
    f("shampoo_beta", r.shampoo_beta, Range{-1, 1});
    f("eps", r.eps, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("frequency", r.frequency, Range{1, kInfinity});
    f("exact_basis", r.exact_basis);
  }
  std::optional<Shape> slot_shape(int slot, const Shape& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

template <>
inline constexpr bool detail::built_in<SOAP> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(SOAP)
#endif

}  // namespace descent::optim
