// L-BFGS: a quasi-Newton method that remembers the last steps instead of a Hessian.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/lbfgs_memory.h>

namespace descent::optim {

/// L-BFGS. Sources: Liu & Nocedal 1989; Nocedal & Wright 2006, Alg. 7.4 and 7.5, with the line
/// search of Alg. 3.5 and 3.6:
///   d = −H·g by two loops over the last pairs (s, y),  H₀ = yᵀs/yᵀy,  θ += t·d.
/// Choices, as in PyTorch: the first t is min(1, 1/‖g‖₁)·η, later searches start at t = η. A pair
/// is kept if yᵀs > 1e-10. The strong Wolfe conditions have c₁ = 1e-4 and c₂ = 0.9. Deviations from
/// PyTorch: L-BFGS works in double for every dtype, and the line search is on by default. If the
/// loss is not finite at a point of the line, the line search goes on with points nearer to the
/// start of the line.
///
/// One step() makes max_iter iterations, or fewer if it runs out of evaluations or has converged.
/// L-BFGS needs a closure and one group. A missing gradient counts as 0.
struct LBFGS {
  /// lr: first guess of t, η. max_iter: most iterations in a step. max_eval: evaluations after
  /// which a step ends, 0 for 1.25·max_iter. tolerance_grad: a step ends if no |g| is larger.
  /// tolerance_change: a step ends once weights or loss change no more than this.
  Hyper lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9,
        history = 100;       ///< history: pairs (s, y) that are remembered
  bool strong_wolfe = true;  ///< searches along d; false: takes t as it is

  static constexpr Card card{
      .name = "lbfgs",
      .title = "L-BFGS, with a strong Wolfe line search",
      .formula = "d = −H g by two loops over the last (s, y),  θ += t d,  t by strong Wolfe",
      .paper = "Liu & Nocedal 1989; Nocedal & Wright 2006, Alg. 7.5, 3.5",
      .when = "Smooth problems on the whole data: least squares, PINNs, fine tuning at the end.",
      .avoid = "Mini-batches and dropout: the differences of gradients are noise then.",
      .traps =
          "Needs a closure; one step() evaluates many times (see gradient_evaluations()). Keeps "
          "2·history numbers a parameter.",
      .state = 200,
      .full_batch = true,
      .gradient_evaluations = 20};
  /// None: LbfgsMemory keeps what is remembered.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("max_iter", r.max_iter, kCount);
    f("max_eval", r.max_eval, Range{0, 1e15});
    f("tolerance_grad", r.tolerance_grad, kNonNegative);
    f("tolerance_change", r.tolerance_change, kNonNegative);
    f("history", r.history, kCount);
    f("strong_wolfe", r.strong_wolfe);
  }
  using Memory = LbfgsMemory;  ///< what one step leaves to the next
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN LBFGS
#include <descent/optim/engine/built_in.inc>
