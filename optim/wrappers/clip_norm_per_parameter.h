// Clipping of the gradient of each parameter by the norm of that gradient.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// Clipping by norm, each parameter by itself. If the norm of the gradient of a parameter exceeds
/// max_norm, that gradient is multiplied by max_norm/norm. Source: Pascanu, Mikolov & Bengio 2013,
/// arXiv:1211.5063, Alg. 1. Deviation: the paper clips by the norm of all gradients together.
struct ClipNormPerParameter {
  Hyper max_norm = kInfinity;  ///< largest norm of the gradient of a parameter, c; required

  static constexpr Card card{
      .name = "clip_norm_per_parameter",
      .title = "Gradient clipping by norm, each parameter by itself",
      .formula = "if ‖g_i‖ > c:  g_i ← c g_i/‖g_i‖,  the norm of each tensor",
      .paper = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
      .when = "One layer's gradients explode while the others are fine.",
      .avoid = "Comparisons with published settings: those clip the norm of all.",
      .traps =
          "Changes the direction of the step, and depends on how weights are split in tensors."};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) { f("max_norm", o.max_norm, kPositive); }

  /// Scales each gradient by a factor of its own, then makes the step.
  void apply(Update& u) {
    const double most = max_norm(u.step());
    for (std::size_t i = 0; i < u.size(); ++i) {
      const double norm = u.gradient_norm(i);
      if (!std::isfinite(norm)) u.report_non_finite();
      if (std::isfinite(norm) && norm > most) u.scale_gradient(i, most / norm);
    }
    u.inner();
  }
};

/// Puts clipping by norm, each parameter by itself, around an optimizer. See ClipNormPerParameter;
/// throws as wrap().
inline Optimizer clip_norm_per_parameter(Optimizer&& inner, const Hyper& max_norm) {
  return wrap(std::move(inner), ClipNormPerParameter{max_norm});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN ClipNormPerParameter
#include <descent/optim/engine/built_in.inc>
