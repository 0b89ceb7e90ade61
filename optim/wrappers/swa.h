// SWA: stochastic weight averaging, the plain average of snapshots of the weights.
#pragma once

#include <descent/optim/engine/wrapper.h>
#include <descent/optim/wrappers/average.h>

namespace descent::optim {

/// Stochastic weight averaging. Source: Izmailov et al. 2018, arXiv:1803.05407, Alg. 1. With n
/// snapshots so far, a snapshot of the weights changes the average ā:
///   ā += (θ − ā)/(n + 1).
/// ā has the type of the weights. In float, a snapshot that differs from ā by less than a relative
/// 6e-8·n changes nothing: with many thousand snapshots, take one every some steps.
/// swa_lr() is the schedule for the rate. To use ā, see Optimizer::swap_average() and AverageGuard.
/// nn::update_batch_norm() computes the statistics of batch normalisation for ā.
struct Swa {
  /// Number of the step after which the first snapshot is taken; steps count from 0.
  Hyper start = 0;
  Hyper every = 1;  ///< steps from one snapshot to the next; a fraction is cut off

  static constexpr Card card{
      .name = "swa",
      .title = "Stochastic weight averaging",
      .formula = "ā += (θ − ā)/(n + 1)",
      .paper = "Izmailov et al. 2018, arXiv:1803.05407",
      .when =
          "The last quarter of training, at a constant or cyclical rate: a wider, better point.",
      .avoid = "A rate that has already fallen to nothing: there is nothing left to average.",
      .traps =
          "Batch-norm statistics must be computed anew for ā. Averaging from the start averages "
          "in bad weights.",
      .state = 1};
  static constexpr Role role = Role::averages;  ///< keeps an average of the weights
  static constexpr bool elementwise = true;     ///< an element needs no other element
  static constexpr bool atomic = true;          ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("start", o.start, kNonNegative);
    f("every", o.every, kCount);
  }
  /// Lists the count and the average.
  void state(auto& visit) {
    visit("count", count);
    visit("average", average, count > 0);
  }

  /// Makes the step. If a snapshot is due, brings the average up to date.
  void apply(Update& u) {
    const auto now = static_cast<double>(u.step());
    const double first = std::floor(start(u.step())), period = std::floor(every(u.step()));
    if (now < first || std::fmod(now - first, period) != 0) {
      u.inner();
      return;
    }
    detail::Following following(card.name, average, u);
    if (!u.inner()) return;
    following.move(1 / static_cast<double>(count + 1));
    ++count;
  }

  std::vector<Tensor> average = {};  ///< ā, one tensor for each parameter; empty before a snapshot
  std::int64_t count = 0;            ///< snapshots so far, n
};

/// Puts stochastic weight averaging around an optimizer. See Swa; throws as wrap().
inline Optimizer swa(Optimizer&& inner, Swa options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Swa
#include <descent/optim/engine/built_in.inc>
