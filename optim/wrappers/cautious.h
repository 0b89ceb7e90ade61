// Cautious: keeps of each step what goes with the gradient.
#pragma once

#include <descent/optim/engine/wrapper.h>

#include <algorithm>

namespace descent::optim {

/// Cautious optimizers. Source: Liang et al. 2024, arXiv:2411.16085, Alg. 1. With u = θ₋ − θ the
/// step of the inner optimizer, for each parameter of n weights:
///   mask = [u·g > 0],  θ = θ₋ − u·mask·n/(Σmask + 1).
/// `mean_form`: divides by max(Σmask/n, 1e-3), as the authors' code since January 2025.
/// Deviation: the mask covers the whole step. Their code decays weights before it, without a mask,
/// so that the two differ where the inner rule has weight decay.
struct Cautious {
  bool mean_form = false;  ///< divides by max(mean of the mask, 1e-3)

  static constexpr Card card{
      .name = "cautious",
      .title = "Cautious: steps only where they go with the gradient",
      .formula = "mask = [u·g > 0],  θ −= u·mask·n/(Σmask + 1)",
      .paper = "Liang et al. 2024, arXiv:2411.16085",
      .when = "Around rules with momentum, such as AdamW and Lion: often faster, nothing to tune.",
      .avoid = "Around a rule without momentum, whose steps go with the gradient anyway.",
      .traps = "Weight decay of the inner rule is masked too."};
  static constexpr Role role = Role::moves_weights;  ///< moves the weights after a step
  static void fields(auto& o, auto&& f) { f("mean_form", o.mean_form); }

  /// Makes the step, and takes back what goes against the gradient.
  void apply(Update& u) {
    std::vector<Tensor> before;
    for (std::size_t i = 0; i < u.size(); ++i) before.push_back(u.weight(i).clone());
    if (!u.inner()) return;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i), w = u.weight(i);
      if (!g.defined() || w.numel() == 0) continue;
      const Tensor step = before[i] - w;
      const Tensor mask = step * sign(g) * u.sign(i) > 0;
      const double n = static_cast<double>(w.numel()), kept = sum(mask).item();
      const double longer = mean_form ? 1 / std::max(kept / n, 1e-3) : n / (kept + 1);
      write_weight(w, before[i] - where(mask, step, 0.0) * longer);
    }
  }
};

/// Puts the cautious mask around an optimizer. See Cautious; throws as wrap().
inline Optimizer cautious(Optimizer&& inner, Cautious options = {}) {
  return wrap(std::move(inner), options);
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Cautious
#include <descent/optim/engine/built_in.inc>
