// SkipNonFinite: skips steps whose gradients are not finite.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// If a gradient has a NaN or an infinity, the step changes no weight and is counted: see
/// Optimizer::skipped_steps(). Does what set_non_finite(NonFinite::skip) does, and is a part of the
/// optimizer's text besides. Source: Micikevicius et al. 2018, arXiv:1710.03740, without the
/// scaling of the loss.
struct SkipNonFinite {
  static constexpr Card card{
      .name = "skip_non_finite",
      .title = "Skips steps whose gradient is not finite",
      .formula = "if g has a NaN or ∞:  no step,  counted",
      .paper = "Micikevicius et al. 2018, arXiv:1710.03740",
      .when = "Rare overflows that the next batch forgets.",
      .avoid = "A loss that is NaN for good: it would be skipped for ever.",
      .traps = "Look at skipped_steps(). By default such a gradient is an error."};
  static constexpr Role role = Role::neither;  ///< may go anywhere
  /// An element needs no other element. A wrapper with this constant sets the policy
  /// NonFinite::skip.
  static constexpr bool elementwise = true, skips_non_finite = true;
  static void fields(auto&, auto&&) {}
};

/// Puts skipping of steps that are not finite around an optimizer. See SkipNonFinite.
inline Optimizer skip_non_finite(Optimizer&& inner) {
  return wrap(std::move(inner), SkipNonFinite{});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN SkipNonFinite
#include <descent/optim/engine/built_in.inc>
