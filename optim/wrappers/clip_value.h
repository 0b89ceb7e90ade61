// Clipping of each element of the gradients.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// Clipping by value. Every element of a gradient is limited to [−max_value, max_value]. This
/// changes the direction of the step. Source: Mikolov 2012, PhD thesis.
struct ClipValue {
  Hyper max_value = kInfinity;  ///< largest magnitude of an element, c; required

  static constexpr Card card{.name = "clip_value",
                             .title = "Gradient clipping by value",
                             .formula = "g ← min(max(g, −c), c),  each element",
                             .paper = "Mikolov 2012, PhD thesis",
                             .when = "A few wild elements among many.",
                             .avoid = "Where the direction matters: clip_norm keeps it.",
                             .traps = "Changes the direction of the step."};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool elementwise = true;              ///< an element needs no other element
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) { f("max_value", o.max_value, kPositive); }

  /// Limits each element of the gradients, then makes the step.
  void apply(Update& u) {
    for (std::size_t i = 0; i < u.size(); ++i) u.limit_gradient(i, max_value(u.step()));
    u.inner();
  }
};

/// Puts clipping by value around an optimizer. See ClipValue; throws as wrap().
inline Optimizer clip_value(Optimizer&& inner, const Hyper& max_value) {
  return wrap(std::move(inner), ClipValue{max_value});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN ClipValue
#include <descent/optim/engine/built_in.inc>
