// Shampoo: a matrix of gradients preconditioned from both sides.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Shampoo with grafting. Sources: Gupta et al. 2018, arXiv:1802.09568, Alg. 1; Shi et al. 2023,
/// arXiv:2309.06497 (averages, their corrections, grafting). For a matrix:
///   m̂ = m/(1−β₁ᵗ), m = β₁m + (1−β₁)g,  L += ggᵀ,  R += gᵀg,  u = (L + εI)^(−¼) m̂ (R + εI)^(−¼),
///   θ ← (1 − ηλ)θ − η·u·‖a‖/‖u‖.
/// The length is that of a grafted rule: Adam's a = m̂/(√v̂ + graft_eps), or SGD's a = m̂. With
/// neither, u keeps its own. β₂ < 1 makes L and R moving averages, divided by 1−β₂ᵗ; 1 sums. The
/// roots are computed every `frequency` steps, at the first step for the first time.
/// A vector has the diagonal, new at each step: u = m̂/√(L + ε), L += g². A tensor of more
/// dimensions counts as the matrix of its first extent × the rest. Deviations: Gupta's Alg. 1 has
/// no momentum and no grafting. The code of Shi et al. takes the step of the grafted rule alone
/// before the first root, and gives a vector a full matrix.
struct Shampoo {
  /// lr: rate η. beta1, beta2: share of m, and of L and R, that each step keeps. eps: ε.
  /// weight_decay: decoupled decay λ. frequency: steps between new roots. graft_beta2, graft_eps:
  /// those of the grafted Adam; graft_beta2 = 1 sums, as AdaGrad.
  Hyper lr = 1e-2, beta1 = 0.9, beta2 = 1, eps = 1e-12, weight_decay = 0, frequency = 10,
        graft_beta2 = 0.999,  ///< of the grafted Adam; 1 sums, as AdaGrad
      graft_eps = 1e-8;       ///< of the grafted Adam
  /// graft_adam: the length is that of Adam's step. graft_sgd: that of SGD's, in place of Adam's.
  bool graft_adam = true, graft_sgd = false;

  static constexpr Card card{
      .name = "shampoo",
      .title = "Shampoo, with grafting",
      .formula = "L += ggᵀ,  R += gᵀg,  θ −= η L^(−¼) m̂ R^(−¼), as long as Adam's step",
      .paper = "Gupta et al. 2018, arXiv:1802.09568; Shi et al. 2023, arXiv:2309.06497",
      .when = "Matrices whose directions are strongly coupled; fewer, dearer steps than Adam's.",
      .avoid = "Wide layers: two square matrices and their roots for each weight.",
      .traps =
          "With a small eps the roots of the first steps magnify what no gradient has seen: "
          "frequency=1 or a larger eps is steadier.",
      .state = 2};
  /// m, v: moving averages of g and g². left, right: L and R. left_root, right_root: their roots.
  static constexpr std::array slot_names{"m", "v", "left", "right", "left_root", "right_root"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("beta1", r.beta1, kUnit);
    f("beta2", r.beta2, kClosedUnit);
    f("eps", r.eps, kPositive);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("frequency", r.frequency, kCount);
    f("graft_beta2", r.graft_beta2, kClosedUnit);
    f("graft_eps", r.graft_eps, kNonNegative);
    f("graft_adam", r.graft_adam);
    f("graft_sgd", r.graft_sgd);
  }
  /// The squares belong to matrices; of a vector, `left` is its diagonal.
  std::optional<Shape> slot_shape(int slot, const Shape& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Shampoo
#include <descent/optim/engine/built_in.inc>
