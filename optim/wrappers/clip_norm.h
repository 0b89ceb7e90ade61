// Clipping by the norm of all gradients, and two functions that clip in place as PyTorch's do.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// Clipping by norm. If the norm of all gradients together exceeds max_norm, every gradient is
/// multiplied by max_norm/norm. Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, Alg. 1.
/// Deviation from PyTorch: PyTorch divides by norm + 1e-6.
struct ClipNorm {
  Hyper max_norm = kInfinity;  ///< largest norm of all gradients together, c; required

  static constexpr Card card{
      .name = "clip_norm",
      .title = "Gradient clipping by norm",
      .formula = "if ‖g‖ > c:  g ← c g/‖g‖,  the norm over all parameters",
      .paper = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
      .when = "Recurrent networks, losses with cliffs: keeps the direction, bounds the step.",
      .avoid = "As a cure for a rate that is too high.",
      .traps =
          "With Adam's kind the scale cancels out in the long run; a bound far below the usual "
          "norm is a lower rate in disguise."};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) { f("max_norm", o.max_norm, kPositive); }

  /// Scales all gradients by one factor, then makes the step.
  void apply(Update& u) {
    double norm = 0;
    for (std::size_t i = 0; i < u.size(); ++i) norm = std::hypot(norm, u.gradient_norm(i));
    const double most = max_norm(u.step());
    if (!std::isfinite(norm)) u.report_non_finite();
    if (std::isfinite(norm) && norm > most)
      for (std::size_t i = 0; i < u.size(); ++i) u.scale_gradient(i, most / norm);
    u.inner();
  }
};

/// Puts clipping by norm around an optimizer. See ClipNorm; throws as wrap().
inline Optimizer clip_norm(Optimizer&& inner, const Hyper& max_norm) {
  return wrap(std::move(inner), ClipNorm{max_norm});
}

/// Scales the gradients in place, so that their common norm is at most max_norm. Returns the norm
/// before. Throws ValueError if max_norm is not above 0, NonFiniteError if the norm is not finite.
///
///   loss.backward();
///   optim::clip_grad_norm_(model.parameters(), 1.0);
double clip_grad_norm_(const Parameters& parameters, double max_norm);
/// Limits every element of the gradients to [−max_value, max_value] in place. Throws ValueError if
/// max_value is not above 0.
void clip_grad_value_(const Parameters& parameters, double max_value);

}  // namespace descent::optim

#define DESCENT_BUILT_IN ClipNorm
#include <descent/optim/engine/built_in.inc>
