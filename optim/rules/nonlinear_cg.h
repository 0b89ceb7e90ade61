// Nonlinear conjugate gradients: keeps the last direction, and no matrix.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

class StateVisitor;

namespace detail {
struct Line;

/// What one step of nonlinear conjugate gradients leaves to the next.
struct CgMemory {
  enum class Beta { polak_ribiere, fletcher_reeves, hestenes_stiefel };
  Tensor last, gradient;  ///< the last direction, and the gradient at its start, (n)
  double fall = 0;        ///< t·slope of the last line: the next first guess falls as far
  double rate = 1;        ///< η of the step that runs
  Beta beta = Beta::polak_ribiere;

  Tensor direction(const Tensor& g);
  double guess(const Tensor& g, double slope) const;
  void learn(const Line& line);
  bool forget();
  void state(StateVisitor& visit, std::int64_t n);

 private:
  Tensor now_;  // the direction of the line that is being searched
};
}  // namespace detail

/// Nonlinear conjugate gradients. Source: Nocedal & Wright 2006, Alg. 5.4, with y = g − g₋:
///   d = −g + β·d₋,  θ += t·d,  t by the strong Wolfe conditions with c₁ = 1e-4 and c₂ = 0.1.
/// Polak & Ribière, never below 0: β = max(0, gᵀy/‖g₋‖²). Fletcher & Reeves: β = ‖g‖²/‖g₋‖².
/// Hestenes & Stiefel: β = gᵀy/d₋ᵀy.
/// Choices: the first t is min(1, 1/‖g‖₁)·η; later searches start where the line falls by as much,
/// to first order, as the last one did (eq. 3.60). If d leads uphill, or if a search finds nothing
/// lower, d = −g, with t as at first. The search goes as PyTorch's L-BFGS.
///
/// One step() makes max_iter iterations, or fewer if it runs out of evaluations or has converged.
/// Needs a closure and one group. Works in double for every dtype. A missing gradient counts as 0.
struct NonlinearCG {
  /// lr: first guess of t in the first search, η. max_iter: most iterations in a step. max_eval:
  /// evaluations after which a step ends, 0 for 2.5·max_iter. tolerance_grad: a step ends if no |g|
  /// is larger. tolerance_change: a step ends once weights or loss change no more than this.
  Hyper lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9;
  /// Another β than that of Polak & Ribière.
  bool fletcher_reeves = false, hestenes_stiefel = false;

  static constexpr Card card{
      .name = "cg",
      .title = "Nonlinear conjugate gradients",
      .formula = "d = −g + β d₋,  β = max(0, gᵀ(g − g₋)/‖g₋‖²),  θ += t d,  t by strong Wolfe",
      .paper = "Polak & Ribière 1969; Nocedal & Wright 2006, Alg. 5.4",
      .when = "Smooth problems on the whole data with too many weights for lbfgs's memory.",
      .avoid = "Mini-batches and dropout. Where lbfgs fits in memory, it needs fewer evaluations.",
      .traps =
          "Needs a closure; one step() evaluates many times. Keeps two numbers a parameter. "
          "fletcher_reeves can creep for hundreds of iterations after one bad step.",
      .state = 2,
      .full_batch = true,
      .gradient_evaluations = 40};
  /// None: the memory keeps direction and gradient.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("max_iter", r.max_iter, kCount);
    f("max_eval", r.max_eval, Range{0, 1e15});
    f("tolerance_grad", r.tolerance_grad, kNonNegative);
    f("tolerance_change", r.tolerance_change, kNonNegative);
    f("fletcher_reeves", r.fletcher_reeves);
    f("hestenes_stiefel", r.hestenes_stiefel);
  }
  /// Throws ValueError for two formulas of β.
  void check() const {
    if (fletcher_reeves && hestenes_stiefel)
      fail<ValueError>("cg", "got fletcher_reeves and hestenes_stiefel, expected one of them");
  }
  using Memory = detail::CgMemory;  ///< what one step leaves to the next
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN NonlinearCG
#include <descent/optim/engine/built_in.inc>
