// L-BFGS: a quasi-Newton method that remembers a few steps in place of the Hessian.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/rules/lbfgs_memory.h>

namespace descent::optim {

/// Nocedal & Wright 2006, Alg. 7.4 and 7.5, with PyTorch's choices: the first step has length
/// min(1, 1/‖g‖₁)·η, later ones start at η; a pair is kept if yᵀs > 1e-10; H₀ = yᵀs/yᵀy; strong
/// Wolfe with c₁ = 1e-4, c₂ = 0.9 and at most 25 evaluations. One step() makes up to max_iter
/// iterations or max_eval evaluations (0: 1.25·max_iter). Works in double whatever the parameters'
/// type. Needs a closure and one group; a missing gradient counts as 0. Where the loss is not
/// finite the line search comes back nearer.
struct LBFGS {
  Hyper lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9,
        history = 100;
  bool strong_wolfe = true;

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
      .gradient_evaluations = 20};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("max_iter", r.max_iter, Range{1, kInfinity});
    f("max_eval", r.max_eval, kNonNegative);
    f("tolerance_grad", r.tolerance_grad, kNonNegative);
    f("tolerance_change", r.tolerance_change, kNonNegative);
    f("history", r.history, Range{1, kInfinity});
    f("strong_wolfe", r.strong_wolfe);
  }
  using Memory = LbfgsMemory;
  void minimize(Search& search) const;
};

template <>
inline constexpr bool detail::built_in<LBFGS> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(LBFGS)
#endif

}  // namespace descent::optim
