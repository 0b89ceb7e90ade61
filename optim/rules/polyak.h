// Polyak's step: the loss itself gives the rate.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

namespace descent::optim {

/// SGD with Polyak's step, bounded (SPS_max). Sources: Polyak 1969; Loizou et al. 2020,
/// arXiv:2002.10542, eq. 3; ALI-G (Berrada et al. 2020, arXiv:1906.05661) is that of c = 1. f is
/// the loss of the batch:
///   θ −= η·g,  η = min(lr, max(0, f − f*)/(c‖g‖² + ε)).
/// Needs a closure and one group. Works in double for every dtype. A missing gradient counts as 0.
struct Polyak {
  /// lr: bound of the rate, γ_b. c: the larger, the shorter the step. f_star: the smallest loss
  /// that can be reached, f*. eps: ε.
  Hyper lr = 1, c = 0.5, f_star = 0, eps = 0;

  static constexpr Card card{
      .name = "polyak",
      .title = "SGD with Polyak's step",
      .formula = "θ −= η g,  η = min(lr, (f − f*)/(c‖g‖²))",
      .paper = "Polyak 1969; Loizou et al. 2020, arXiv:2002.10542",
      .when = "Nets that can fit every sample, so that f* = 0: finds its rate at each step.",
      .avoid = "Losses whose minimum is unknown and far from 0: then momo, or a schedule.",
      .traps = "f_star above the minimum stops the run. Needs a closure. lr is only a bound."};
  /// None.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("c", r.c, kPositive);
    f("f_star", r.f_star, Range{-1e15, 1e15});
    f("eps", r.eps, kNonNegative);
  }
  using Memory = detail::NoMemory;  ///< nothing
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN Polyak
#include <descent/optim/engine/built_in.inc>
