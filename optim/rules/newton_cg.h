// Newton–CG: Newton's method whose steps come from conjugate gradients, without the Hessian.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/truncated_newton.h>

namespace descent::optim {

/// Newton–CG, also called truncated Newton. Sources: Nocedal & Wright 2006, Alg. 7.1 (CG and its
/// end); Martens 2010 (damping). With the Hessian H and q(p) = gᵀp + ½pᵀ(H + λI)p:
///   CG from p = 0 on (H + λI)p = −g, until ‖(H + λI)p + g‖ <= min(½, √‖g‖)·‖g‖, until max_cg
///   products, or until a direction d of CG has dᵀ(H + λI)d <= 0: p stays then, or is −g if it is
///   the first;
///   θ += t·p,  t the first of 1, ½, ¼, … with f(θ + tp) <= f(θ) + 1e-4·t·gᵀp;
///   with ρ = (f(θ + p) − f(θ))/q(p): ρ < ¼ or not finite: λ ← 3/2·λ, ρ > ¾: λ ← 2/3·λ.
/// HessianFree is the same method with the Gauss–Newton matrix.
///
/// One step() makes one iteration. A product with H costs a backward pass, and counts as an
/// evaluation. Needs a closure, which calls backward() on a loss that can be differentiated twice,
/// and one group. Works in double for every dtype. A missing gradient counts as 0. All data at
/// once.
struct NewtonCG {
  /// damping: first λ; 0 for plain Newton–CG. max_cg: most products with H in a step.
  Hyper damping = 0, max_cg = 50;

  static constexpr Card card{
      .name = "newton_cg",
      .title = "Newton–CG",
      .formula = "CG on (H + λI)p = −g, cut short;  θ += t p,  t by backtracking;  λ by the gain",
      .paper = "Nocedal & Wright 2006, Alg. 7.1; Martens 2010",
      .when = "Smooth problems on the whole data with too many weights for bfgs.",
      .avoid = "Mini-batches and dropout; relu, whose Hessian says little.",
      .traps = "Needs a closure. A step costs as many gradients as CG makes products.",
      .full_batch = true,
      .gradient_evaluations = 20};
  /// None.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("damping", r.damping, kNonNegative);
    f("max_cg", r.max_cg, kCount);
  }
  using Memory = detail::NewtonMemory;        ///< what one step leaves to the next
  static constexpr bool uses_hessian = true;  ///< Search::hessian works
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN NewtonCG
#include <descent/optim/engine/built_in.inc>
