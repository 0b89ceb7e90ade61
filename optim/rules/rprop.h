// Rprop: only the sign of the gradient counts; each parameter has a step of its own.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>

#include <cmath>

namespace descent::optim {

/// Riedmiller & Braun 1993, without weight backtracking (iRprop−, Igel & Hüsken 2000), as PyTorch.
/// With s = g·g₋: the step Δ grows by eta_plus where s > 0, shrinks by eta_minus where s < 0,
/// within [step_min, step_max]; where s < 0 the gradient counts as 0, also next time; θ −=
/// sign(g)·Δ. Δ starts at lr.
struct Rprop {
  Hyper lr = 1e-2, eta_minus = 0.5, eta_plus = 1.2, step_min = 1e-6, step_max = 50;

  static constexpr Card card{
      .name = "rprop",
      .title = "Rprop: resilient propagation",
      .formula = "Δ ×= 1.2 / 0.5 / 1 as g·g₋ is > 0 / < 0 / 0;  θ −= sign(g) Δ",
      .paper = "Riedmiller & Braun 1993; Igel & Hüsken 2000",
      .when = "Full batches of small problems: fast, and hardly anything to tune.",
      .avoid = "Mini-batches: noise in the sign makes every step shrink. RMSProp is its answer.",
      .traps = "lr is only where the steps start; a schedule of it has no effect.",
      .state = 2};
  static constexpr std::array slot_names{"step_size", "previous"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("eta_minus", r.eta_minus, Range{0, 1, true, true});
    f("eta_plus", r.eta_plus, Range{1, kInfinity, true, true});
    f("step_min", r.step_min, kNonNegative);
    f("step_max", r.step_max, kNonNegative);
  }
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
      const auto agree = g * before;
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

template <>
inline constexpr bool detail::built_in<Rprop> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Rprop)
#endif

}  // namespace descent::optim
