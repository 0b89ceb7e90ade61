// Lookahead: k steps forward, one step back.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/wrapper.h>

#include <cmath>

namespace descent::optim {

/// Zhang et al. 2019, arXiv:1907.08610, Alg. 1. Every k steps of the inner optimizer:
/// slow += α(fast − slow), fast = slow. The slow weights start as the weights before the first
/// step. The inner state is kept when weights are brought together.
struct Lookahead {
  Hyper k = 5;        ///< inner steps between synchronisations; a fraction is cut off
  Hyper alpha = 0.5;  ///< how far the slow weights follow

  static constexpr Card card{
      .name = "lookahead",
      .title = "Lookahead: k steps forward, one step back",
      .formula = "every k steps:  slow += α (fast − slow),  fast = slow",
      .paper = "Zhang et al. 2019, arXiv:1907.08610",
      .when = "Around any rule that oscillates: lowers its variance, forgives a high rate.",
      .avoid = "Around an average, or a rule that averages itself.",
      .traps =
          "The inner state is kept at a synchronisation. Evaluate after one for the best loss.",
      .state = 1};
  static constexpr Role role = Role::moves_weights;
  static constexpr bool elementwise = true;
  static void fields(auto& o, auto&& f) {
    f("k", o.k, Range{1, kInfinity});
    f("alpha", o.alpha, kClosedUnit);
  }
  void state(auto& visit) {
    visit("since", since);
    visit("slow", slow, since >= 0);
  }

  void apply(Update& u) {
    if (slow.empty()) {
      for (std::size_t i = 0; i < u.size(); ++i) slow.push_back(u.weight(i).clone());
      since = 0;
    }
    const double period = std::floor(k(u.step())), share = alpha(u.step());
    if (!u.inner() || static_cast<double>(++since) < period) return;
    since = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor w = u.weight(i);
      slow[i].copy_(slow[i] + (w - slow[i]) * share);
      w.copy_(slow[i]);
    }
  }

  std::vector<Tensor> slow = {};
  std::int64_t since = -1;  // inner steps since the weights were brought together; −1: none yet
};

/// Lookahead around `inner`; see Lookahead.
inline Optimizer lookahead(Optimizer inner, Lookahead options = {}) {
  return wrap(std::move(inner), std::move(options));
}

template <>
inline constexpr bool detail::built_in<Lookahead> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Lookahead)
#endif

}  // namespace descent::optim
