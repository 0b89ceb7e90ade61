// Hessian-free optimization: Gauss–Newton steps from conjugate gradients, without the matrix.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/truncated_newton.h>

namespace descent::optim {

/// Hessian-free optimization of F = ½Σr². Source: Martens 2010, 'Deep learning via Hessian-free
/// optimization'. NewtonCG's step with the Gauss–Newton matrix JᵀJ in place of the Hessian, J the
/// derivatives of the m residuals r:
///   CG from p = 0 on (JᵀJ + λI)p = −Jᵀr, which ends as in NewtonCG;
///   θ += t·p,  t the first of 1, ½, ¼, … with F(θ + tp) <= F(θ) + 1e-4·t·rᵀJp;
///   with ρ = (F(θ + p) − F(θ))/q(p): ρ < ¼ or not finite: λ ← 3/2·λ, ρ > ¾: λ ← 2/3·λ;
///   λ starts at damping·‖Jg‖²/‖g‖², g = Jᵀr: a share of the curvature along the first gradient.
/// Deviations from Martens: CG starts at 0, has no preconditioner, and ends as in Nocedal & Wright.
///
/// The closure returns the residuals, a tensor of any shape, and calls no backward(); for the mean
/// of N squares it divides them by √N. One step() makes one iteration. A product takes two backward
/// passes, which count as evaluations. Works in double for every dtype, for any number of weights.
struct HessianFree {
  /// damping: first λ, as a share of a curvature; if it is 0, λ stays 0. max_cg: most products with
  /// JᵀJ in a step.
  Hyper damping = 0.01, max_cg = 50;

  static constexpr Card card{
      .name = "hessian_free",
      .title = "Hessian-free: Newton–CG with the Gauss–Newton matrix",
      .formula =
          "CG on (JᵀJ + λI)p = −Jᵀr, cut short;  θ += t p,  t by backtracking;  λ by the gain",
      .paper = "Martens 2010; Nocedal & Wright 2006, Alg. 7.1",
      .when =
          "Least squares with too many weights for lm: smooth nets, physics-informed ones among "
          "them. The closure returns residuals.",
      .avoid = "Small problems: lm takes far fewer steps. relu: the net stops at a kink. Dropout.",
      .traps = "Do not call backward(). A step costs two gradients for each product of CG.",
      .full_batch = true,
      .gradient_evaluations = 60};
  /// None.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("damping", r.damping, kNonNegative);
    f("max_cg", r.max_cg, kCount);
  }
  using Memory = detail::NewtonMemory;  ///< what one step leaves to the next
  void minimize(LeastSquares& problem, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN HessianFree
#include <descent/optim/engine/built_in.inc>
