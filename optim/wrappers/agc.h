// Adaptive gradient clipping: the gradient of each unit is clipped relative to the weights of the
// unit.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// Adaptive gradient clipping. Source: Brock et al. 2021, arXiv:2102.06171, eq. 3. A unit of a
/// matrix is a row: all elements with one index in the first dimension. A vector is one unit. The
/// gradient of each unit is scaled to a norm of at most clip·max(‖weights of the unit‖, eps).
struct Agc {
  Hyper clip = 0.01;  ///< largest ratio of the norms of gradient and weights, λ
  Hyper eps = 1e-3;   ///< least norm that a unit's weights count with, ε

  static constexpr Card card{
      .name = "agc",
      .title = "Adaptive gradient clipping, each unit by itself",
      .formula = "c = λ max(‖θ_u‖, ε);  if ‖g_u‖ > c:  g_u ← c g_u/‖g_u‖,  u a row or a vector",
      .paper = "Brock et al. 2021, arXiv:2102.06171",
      .when = "Deep networks without batch norm, at large batches and rates.",
      .avoid = "The last layer, as the authors found.",
      .traps = "A unit whose weights start at zero is held to λε until it has grown."};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("clip", o.clip, kPositive);
    f("eps", o.eps, kNonNegative);
  }

  /// Clips the gradient of each unit, then makes the step.
  void apply(Update& u) {
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i), w = u.weight(i);
      if (!g.defined() || w.numel() == 0) continue;
      const Tensor most = clamp(unit_norm(w), eps(u.step())) * clip(u.step()), size = unit_norm(g);
      u.set_gradient(i, g * where(size > most, most / size, 1.0));
    }
    u.inner();
  }

  /// Returns the norm of each row of x, (rows, 1, …), or that of a vector, (1).
  static Tensor unit_norm(const Tensor& x) {
    if (x.dim() == 0) return abs(x);
    Dims dims;
    for (std::int64_t d = x.dim() > 1 ? 1 : 0; d < x.dim(); ++d) dims.push_back(d);
    return norm(x, 2, dims, true);
  }
};

/// Puts adaptive gradient clipping around an optimizer. See Agc; throws as wrap().
inline Optimizer agc(Optimizer&& inner, Agc options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Agc
#include <descent/optim/engine/built_in.inc>
