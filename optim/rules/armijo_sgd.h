// SGD whose rate is searched on the batch of the step.
#pragma once

#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

namespace descent::optim {

namespace detail {
/// What one step of SGD with a line search leaves to the next.
struct ArmijoMemory {
  double rate = 0;  ///< the last rate that was accepted; 0 before the first
  void state(StateVisitor& visit, std::int64_t n);
};
}  // namespace detail

/// SGD with Armijo's line search. Source: Vaswani et al. 2019, arXiv:1905.09997, Alg. 1. With the
/// loss f of the batch:
///   θ −= η·g,  η the first of η₀, shrink·η₀, … with f(θ − ηg) <= f(θ) − c·η·‖g‖².
/// η₀ is lr at first, then min(lr, growth·η₋). If none of `most` rates is good enough, θ stays.
/// Deviations: their η₀ grows by a factor that depends on the number of batches, and their code
/// takes a tiny step if the search fails.
/// Needs a closure, which must use the same batch each time it is called, and one group. Works in
/// double for every dtype. A missing gradient counts as 0.
struct ArmijoSgd {
  /// lr: largest rate. c: share of the fall that the slope foretells and that must be reached.
  /// shrink: factor of a rate that is refused. growth: factor of the rate at the next step. most:
  /// rates that are tried in a step.
  Hyper lr = 1, c = 0.1, shrink = 0.5, growth = 2, most = 30;

  static constexpr Card card{
      .name = "armijo_sgd",
      .title = "SGD with Armijo's line search",
      .formula = "θ −= η g,  η halved until f(θ − ηg) ≤ f − cη‖g‖²,  next time 2η",
      .paper = "Armijo 1966; Vaswani et al. 2019, arXiv:1905.09997",
      .when = "Nets that can fit every sample: no rate to tune, about 1.5 evaluations more a step.",
      .avoid = "Noisy losses, dropout, batch norm: the search follows the noise.",
      .traps = "Needs a closure, with the same batch at each call. Compare at equal cost.",
      .gradient_evaluations = 2.5};
  /// None.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("c", r.c, Range{0, 1, true});
    f("shrink", r.shrink, Range{0, 1, true});
    f("growth", r.growth, Range{1, kInfinity});
    f("most", r.most, kCount);
  }
  using Memory = detail::ArmijoMemory;  ///< what one step leaves to the next
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN ArmijoSgd
#include <descent/optim/engine/built_in.inc>
