// Gauss–Newton: the step to the minimum of the linearised residuals, with a line search.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

namespace descent::optim {

/// Gauss–Newton: minimises F = ½Σr². Source: Nocedal & Wright 2006, section 10.3. With J the
/// derivatives of the m residuals r:
///   δ = the shortest of all that minimise ‖Jδ + r‖²,  θ += t·δ,
///   t the first of 1, ½, ¼, … with F(θ + tδ) <= F(θ) + 1e-4·t·rᵀJδ.
/// δ comes from the singular values of J; those below max(m, n)·2⁻⁵² times the largest count as 0.
/// If some do, but none of J with columns of length 1, the parameters only differ in their units,
/// and δ comes from the latter.
///
/// The closure returns the residuals, a tensor of any shape, and calls no backward(). One step() is
/// a whole fit: it ends once each |tδ| <= tolerance_change·|θ|, once no t of at least 2⁻³⁰ is good
/// enough, or after max_iter iterations. Works in double for every dtype. All data at once.
/// Throws ValueError for more than 10,000 parameters: J has m of these rows.
struct GaussNewton {
  /// max_iter: most iterations in a step(). tolerance_change: see above.
  Hyper max_iter = 100, tolerance_change = 1e-10;

  static constexpr Card card{
      .name = "gauss_newton",
      .title = "Gauss–Newton, with backtracking",
      .formula = "δ = −J⁺r,  θ += t δ,  t = 1, ½, ¼, … until ½‖r‖² falls",
      .paper = "Gauss 1809; Nocedal & Wright 2006, section 10.3",
      .when =
          "Least squares with a good start. The closure returns residuals, as in the program "
          "below. One step() is a whole fit, and ended() says why it ended.",
      .avoid =
          "Poor starts and nearly dependent parameters: lm is as fast near the end, and safer.",
      .traps = "Return residuals, and do not call backward(). Use double.",
      .most_weights = 10000,
      .full_batch = true,
      .gradient_evaluations = 40};
  /// None.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("max_iter", r.max_iter, kCount);
    f("tolerance_change", r.tolerance_change, kNonNegative);
  }
  using Memory = detail::NoMemory;  ///< nothing
  void minimize(LeastSquares& problem, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN GaussNewton
#include <descent/optim/engine/built_in.inc>
