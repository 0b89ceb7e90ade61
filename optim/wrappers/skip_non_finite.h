// Skipping of steps whose gradient is not finite.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// A step whose gradient has a NaN or an infinity changes no weight and is counted: see
/// Optimizer::skipped_steps(). The same as set_non_finite(NonFinite::skip), as a part of the
/// optimizer's text.
struct SkipNonFinite {
  static constexpr Card card{
      .name = "skip_non_finite",
      .title = "Skips steps whose gradient is not finite",
      .formula = "if g has a NaN or ∞:  no step,  counted",
      .paper = "Micikevicius et al. 2018, arXiv:1710.03740",
      .when = "Rare overflows that the next batch forgets.",
      .avoid = "A loss that is NaN for good: it would be skipped for ever.",
      .traps = "Look at skipped_steps(). By default such a gradient is an error."};
  static constexpr Role role = Role::neither;
  static constexpr bool elementwise = true, skips_non_finite = true;
  static void fields(auto&, auto&&) {}
};

/// Skipping of steps that are not finite around `inner`; see SkipNonFinite.
inline Optimizer skip_non_finite(Optimizer inner) {
  return wrap(std::move(inner), SkipNonFinite{});
}

template <>
inline constexpr bool detail::built_in<SkipNonFinite> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(SkipNonFinite)
#endif

}  // namespace descent::optim
