// Gradient noise: noise that is added to the gradients and falls with time.
#pragma once

#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// Gradient noise. Source: Neelakantan et al. 2015, arXiv:1511.06807, eq. 1. After t steps, each
/// element of a gradient gets normal noise of variance η/(1+t)^γ. The noise of a step depends on
/// seed, step and parameter alone. It is therefore the same after loading a state, and for any
/// number of threads.
struct Noise {
  Hyper eta = 0.01;    ///< variance of the noise at the first step, η
  Hyper gamma = 0.55;  ///< how fast the variance falls, γ
  Hyper seed = 0;      ///< chooses the random numbers; a fraction is cut off

  static constexpr Card card{
      .name = "noise",
      .title = "Gradient noise that falls with time",
      .formula = "g += N(0, η/(1+t)^γ)",
      .paper = "Neelakantan et al. 2015, arXiv:1511.06807",
      .when = "Very deep or badly initialised networks that get stuck early.",
      .avoid = "Nets that train well already, and small batches, which bring noise of their own.",
      .traps = "η is a variance. Clip outside of it, as noise(clip_norm(…)) clips the noise too."};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("eta", o.eta, kNonNegative);
    f("gamma", o.gamma, kNonNegative);
    f("seed", o.seed, Range{0, 1e15});
  }

  /// Adds noise to the gradients, then makes the step.
  void apply(Update& u) {
    const std::int64_t t = u.step();
    const double spread = std::sqrt(eta(t) / std::pow(1 + static_cast<double>(t), gamma(t)));
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i);
      if (!g.defined()) continue;
      // Each step and parameter has random numbers of its own, so there is no state to save.
      Generator generator(static_cast<std::uint64_t>(seed(t)) * 0x9E3779B97F4A7C15u +
                          static_cast<std::uint64_t>(t) * 1000003u + i);
      // The noise is drawn in double, so that float and double get the same noise.
      u.set_gradient(i, g + (randn(g.shape(), generator, kFloat64) * spread).to(g.dtype()));
    }
    u.inner();
  }
};

/// Puts gradient noise around an optimizer. See Noise; throws as wrap().
inline Optimizer noise(Optimizer&& inner, Noise options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Noise
#include <descent/optim/engine/built_in.inc>
