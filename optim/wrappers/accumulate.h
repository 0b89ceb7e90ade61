// Gradient accumulation: one step for several batches.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/wrapper.h>

#include <cmath>

namespace descent::optim {

/// Sums the gradients of k calls of step() and hands their mean on at the k-th; the other calls
/// change nothing. A parameter without a gradient in a call counts as zero there.
struct Accumulate {
  Hyper steps = 2;  ///< calls to a step, k; a fraction is cut off

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
  static constexpr Role role = Role::changes_gradients;
  static constexpr bool elementwise = true;
  static void fields(auto& o, auto&& f) { f("steps", o.steps, Range{1, kInfinity}); }
  void state(auto& visit) {
    visit("count", count);
    visit("sum", sums, false);
  }

  void apply(Update& u) {
    if (u.refused()) return u.skip();  // before a bad gradient could spoil the sum
    sums.resize(u.size());
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i);
      if (!g.defined()) continue;
      if (sums[i].defined())
        sums[i].copy_(sums[i] + g);
      else
        sums[i] = g.clone();
    }
    if (static_cast<double>(++count) < std::floor(steps(u.step()))) return u.skip();
    for (std::size_t i = 0; i < u.size(); ++i)
      u.set_gradient(i,
                     sums[i].defined() ? sums[i] * (1.0 / static_cast<double>(count)) : Tensor());
    u.inner();  // if the step throws, the sums are kept
    sums.clear();
    count = 0;
  }

  std::vector<Tensor> sums = {};  // empty between steps
  std::int64_t count = 0;         // calls since the last step
};

/// Gradient accumulation around `inner`; see Accumulate.
inline Optimizer accumulate(Optimizer inner, Hyper steps) {
  return wrap(std::move(inner), Accumulate{std::move(steps)});
}

template <>
inline constexpr bool detail::built_in<Accumulate> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Accumulate)
#endif

}  // namespace descent::optim
