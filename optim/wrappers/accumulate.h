// Gradient accumulation: one step with the gradients of several batches.
#pragma once

#include <descent/core/pool_vector.h>
#include <descent/optim/engine/wrapper.h>

#include <algorithm>

namespace descent::optim {

/// Adds up the gradients of k calls of step(). The k-th call makes a step with the mean of the k
/// gradients; the other calls change no weight. If a parameter has no gradient in one of the calls,
/// its gradient counts as 0 in that call. Source: common practice.
struct Accumulate {
  Hyper steps = 2;  ///< calls for a step, k; a fraction is cut off

  static constexpr Card card{
      .name = "accumulate",
      .title = "Gradient accumulation over micro-batches",
      .formula = "g = mean of k gradients;  the inner optimizer steps at every k-th call",
      .paper = "folklore",
      .when = "The batch that you want does not fit in memory.",
      .avoid = "Where it does fit: one large batch is faster.",
      .traps =
          "Schedules count the inner steps, not the calls. Batch norm still sees micro-batches.",
      .state = 1};
  static constexpr Role role = Role::changes_gradients;  ///< the rule sees other gradients
  static constexpr bool elementwise = true;              ///< an element needs no other element
  static constexpr bool atomic = true;                   ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) { f("steps", o.steps, kCount); }
  /// Lists the count and the sums.
  void state(auto& visit) {
    visit("count", count);
    visit("sum", sums, false);
  }

  /// Adds the gradients up. At the k-th call, makes the step with their mean.
  void apply(Update& u) {
    if (u.refused()) return u.skip();  // otherwise a NaN would stay in the sums
    descent::detail::PoolVector<Tensor> next(u.size());
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i), sum = sums.empty() ? Tensor() : sums[i];
      next[i] = !g.defined() ? sum : sum.defined() ? sum + g : g.clone();
    }
    const auto calls = static_cast<double>(count + 1);
    if (calls < std::floor(steps(u.step()))) {
      sums.resize(u.size());
      std::ranges::move(next, sums.begin());
      ++count;
      return u.skip();
    }
    for (std::size_t i = 0; i < u.size(); ++i)
      u.set_gradient(i, next[i].defined() ? next[i] * (1.0 / calls) : Tensor());
    u.inner();  // may throw; then the sums are as before
    sums.clear();
    count = 0;
  }

  std::vector<Tensor> sums = {};  ///< sums of gradients, one for each parameter; empty after a step
  std::int64_t count = 0;         ///< calls since the last step
};

/// Puts gradient accumulation over `steps` calls around an optimizer. See Accumulate; throws as
/// wrap().
inline Optimizer accumulate(Optimizer&& inner, const Hyper& steps) {
  return wrap(std::move(inner), Accumulate{steps});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Accumulate
#include <descent/optim/engine/built_in.inc>
