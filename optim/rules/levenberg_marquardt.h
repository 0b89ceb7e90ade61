// Levenberg–Marquardt: damped Gauss–Newton steps, for curve fitting and least squares.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

class StateVisitor;
struct LeastSquares;

namespace detail {

/// What one step of Levenberg–Marquardt leaves to the next.
struct LmMemory {
  double damping = 0, growth = 2;  ///< λ, 0 before the first step; ν, its factor when it next grows
  Tensor scale;                    ///< the diagonal of D, (n)
  std::int64_t rescues = 0;        ///< how often this fit was stuck; odd while D is raised
  bool warned = false;  ///< true if a fit has failed and it was said; no part of the state
  /// Ends a fit: the next step begins another, with λ and D of its own.
  void end();
  void state(StateVisitor& visit, std::int64_t n);
};

}  // namespace detail

/// Levenberg–Marquardt: minimises F = ½Σr². Sources: Levenberg 1944; Marquardt 1963; Moré 1978,
/// doi:10.1007/BFb0067700; Nielsen 1999, IMM-REP-1999-05 (λ); Transtrum & Sethna 2012,
/// arXiv:1201.5885, eq. 3 (acceleration). With J the derivatives of the m residuals r, and
/// D = diag(JᵀJ):
///   (JᵀJ + λD)δ = −Jᵀr,  ρ = (F(θ) − F(θ + δ)) / ½δᵀ(λDδ − Jᵀr);
///   ρ > 1e-4: θ += δ, λ ← λ·max(⅓, 1 − (2ρ−1)³), ν = 2;  otherwise λ ← λν, ν ← 2ν.
/// The system is solved by QR of [J; √λ√D], not by JᵀJ. D starts at diag(JᵀJ), with 1 for a column
/// of zeros. After each accepted step D = max(diag(JᵀJ), κD₋), where κ is `scale_memory`, or 1
/// while λ > 0.1 unless `scale_memory` is 0; Moré's D is that of scale_memory = 1, Marquardt's that
/// of 0. λ starts at `damping`, or at damping·max diag(JᵀJ) with `unscaled`, which sets D = I.
/// `acceleration` α > 0 bends the step: δ += a/2 with (JᵀJ + λD)a = −Jᵀr″, where r″ is the second
/// derivative along δ, 2/h·((r(θ + hδ) − r)/h − Jδ) with h = 0.1. A step with 2‖√D·a‖ > α‖√D·δ‖ is
/// rejected. ρ compares with what δ alone foretells.
///
/// The closure returns the residuals, a tensor of any shape, and calls no backward(). One step() is
/// a whole fit: it ends once each |δ| <= tolerance_change·|θ|, once each column of J is as good as
/// orthogonal to r, |(Jᵀr)_j| <= tolerance_grad·‖J_j‖‖r‖, once δ no longer changes θ, or after
/// max_iter accepted or rejected steps. Optimizer::ended() tells which. If no λ leads lower and a
/// column of J is all but 0, the elements of D are raised to 1e-16 of the largest, and λ starts
/// anew, so that the other parameters move on; then all move again, up to ten times in a fit. A
/// fit that fails is warned of, once for an optimizer. If max_iter ended it, the next step() goes
/// on; otherwise the next step() begins a fit with λ and D of its own. Works in double for every
/// dtype. All data at once: the residuals of a step are always the same. Deviation: no tolerance of
/// F, because a relative change of F of 1e-10 is one of 1e-5 of θ. Throws ValueError for more than
/// 10,000 parameters: J has m of these rows.
struct LevenbergMarquardt {
  /// damping: first λ. max_iter: most steps, accepted or rejected, in a step(). scale_memory: share
  /// of D that an accepted step keeps at least. acceleration: the bound α; 0 for none.
  /// tolerance_change, tolerance_grad: see above.
  Hyper damping = 1e-3, max_iter = 1000, scale_memory = 0.5, acceleration = 0.75,
        tolerance_change = 1e-10,  ///< a fit ends with a step below this share of the weights
      tolerance_grad = 1e-12;      ///< a fit ends where r is this orthogonal to all columns of J
  bool unscaled = false;           ///< D = I, as Levenberg 1944

  static constexpr Card card{
      .name = "lm",
      .title = "Levenberg–Marquardt",
      .formula = "(JᵀJ + λD)δ = −Jᵀr,  θ += δ if ½‖r‖² falls;  λ by the gain ratio",
      .paper =
          "Levenberg 1944; Marquardt 1963; Moré 1978; Transtrum & Sethna 2012, arXiv:1201.5885",
      .when =
          "Curve fitting, and small nets with the squared error, in double. The closure returns "
          "residuals, as in the program below. One step() is a whole fit. It returns ½Σr² at its "
          "start, and ended() says why it ended.",
      .avoid = "Mini-batches, other losses, more than some thousand weights.",
      .traps =
          "Return residuals, not their squares, and do not call backward(). For a net, "
          "nn::mse_residuals(net(x), y) checks the shapes. Use double. Start near: lm finds the "
          "nearest minimum. If ended() is max_iter or no lower point, the fit has failed.",
      .state = 1,
      .most_weights = 10000,
      .full_batch = true,
      .gradient_evaluations = 200};
  /// None: the memory keeps λ and D.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("damping", r.damping, kPositive);
    f("max_iter", r.max_iter, kCount);
    f("scale_memory", r.scale_memory, kClosedUnit);
    f("acceleration", r.acceleration, kNonNegative);
    f("tolerance_change", r.tolerance_change, kNonNegative);
    f("tolerance_grad", r.tolerance_grad, kNonNegative);
    f("unscaled", r.unscaled);
  }
  using Memory = detail::LmMemory;  ///< what one step leaves to the next
  void minimize(LeastSquares& problem, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN LevenbergMarquardt
#include <descent/optim/engine/built_in.inc>
