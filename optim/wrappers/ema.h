// EMA: an exponential moving average of the weights.
#pragma once

#include <descent/optim/engine/wrapper.h>
#include <descent/optim/wrappers/average.h>

namespace descent::optim {

/// Exponential moving average of the weights. Sources: Polyak & Juditsky 1992; Tarvainen & Valpola
/// 2017, arXiv:1703.01780:
///   e = d·e + (1 − d)·θ,  and e = θ after the first step.
/// e has the type of the weights. In float, e stays where it is if θ differs from it by less than a
/// relative 6e-8/(1 − d). To use e, see Optimizer::swap_average() and AverageGuard.
struct Ema {
  Hyper decay = 0.999;  ///< share of e that each step keeps, d; e remembers about 1/(1 − d) steps

  static constexpr Card card{
      .name = "ema",
      .title = "Exponential moving average of the weights",
      .formula = "e = d e + (1−d) θ",
      .paper = "Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780",
      .when = "Evaluation with smoother weights, at any time of training.",
      .avoid = "Runs shorter than 1/(1−d) steps.",
      .traps = "Remembers about 1/(1−d) steps: too long for a short run.",
      .state = 1};
  static constexpr Role role = Role::averages;  ///< keeps an average of the weights
  static constexpr bool elementwise = true;     ///< an element needs no other element
  static constexpr bool atomic = true;          ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) { f("decay", o.decay, kClosedUnit); }
  /// Lists the count and the average.
  void state(auto& visit) {
    visit("count", count);
    visit("average", average, count > 0);
  }

  /// Makes the step, then brings the average up to date.
  void apply(Update& u) {
    const double share = 1 - decay(u.step());
    detail::Following following(card.name, average, u);
    if (!u.inner()) return;
    following.move(share);
    ++count;
  }

  /// e, one tensor for each parameter; empty before the first step.
  std::vector<Tensor> average = {};
  std::int64_t count = 0;  ///< steps so far
};

/// Puts an exponential moving average of the weights around an optimizer. See Ema; throws as
/// wrap().
inline Optimizer ema(Optimizer&& inner, const Hyper& decay = 0.999) {
  return wrap(std::move(inner), Ema{decay});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Ema
#include <descent/optim/engine/built_in.inc>
