// Rprop: each weight has a step of its own, and only the sign of its gradient counts.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Rprop. Sources: Riedmiller & Braun 1993; without weight backtracking, as iRprop− of Igel &
/// Hüsken 2000, and as PyTorch. Each weight has a step Δ, which starts at lr. With s = g·g₋:
///   s > 0:  Δ ← min(Δ·eta_plus, step_max);
///   s < 0:  Δ ← max(Δ·eta_minus, step_min),  g ← 0;
///   θ −= sign(g)·Δ,  g₋ ← g.
/// Deviation: a schedule of lr has no effect, because lr is only read at the first step.
struct Rprop {
  /// lr: first step of each weight, Δ. eta_minus, eta_plus: factors that shrink and grow Δ.
  /// step_min, step_max: bounds of Δ.
  Hyper lr = 1e-2, eta_minus = 0.5, eta_plus = 1.2, step_min = 1e-6, step_max = 50;

  static constexpr Card card{
      .name = "rprop",
      .title = "Rprop: resilient propagation",
      .formula = "Δ ×= 1.2 / 0.5 / 1 as g·g₋ is > 0 / < 0 / 0;  θ −= sign(g) Δ",
      .paper = "Riedmiller & Braun 1993; Igel & Hüsken 2000",
      .when = "Full batches of small problems: fast, and hardly anything to tune.",
      .avoid = "Mini-batches: noise in the sign makes every step shrink. RMSProp is its answer.",
      .traps = "lr is only where the steps start; a schedule of it has no effect.",
      .state = 2,
      .full_batch = true};
  /// step_size: Δ. previous: the gradient before, g₋.
  static constexpr std::array slot_names{"step_size", "previous"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("eta_minus", r.eta_minus, Range{0, 1, true, true});
    f("eta_plus", r.eta_plus, Range{1, kInfinity, true, true});
    f("step_min", r.step_min, kNonNegative);
    f("step_max", r.step_max, kNonNegative);
  }
  /// Throws ValueError if step_min is larger than step_max.
  void check() const {
    if (step_min(0) > step_max(0))
      fail<ValueError>("rprop", "got step_min = ", step_min(0), " and step_max = ", step_max(0),
                       ", expected step_min <= step_max");
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const T shrink = T(eta_minus(s)), grow = T(eta_plus(s)), low = T(step_min(s)),
            high = T(step_max(s)), start = T(lr(s));
    const auto update = [=](auto& w, auto g, auto& size, auto& before) {
      const auto agree = sign(g) * sign(before);  // the product of small numbers may be 0
      const auto wanted = size * where(agree > 0, grow, where(agree < 0, shrink, 1));
      size = where(wanted > high, high, where(wanted < low, low, wanted));
      before = where(agree < 0, 0, g);
      w -= size * sign(before);
    };
    if (s.t > 1)
      run(update);
    else
      run([=](auto& w, auto g, auto& size, auto& before) {
        size = start;
        update(w, g, size, before);
      });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Rprop
#include <descent/optim/engine/built_in.inc>
