// Lookahead: k steps forward, one step back.
#pragma once

#include <descent/optim/engine/wrapper.h>
#include <descent/optim/wrappers/average.h>

namespace descent::optim {

/// Lookahead. Source: Zhang et al. 2019, arXiv:1907.08610, Alg. 1. The fast weights are those that
/// the inner optimizer trains. The slow weights start as the weights before the first step. After
/// every k steps of the inner optimizer:
///   slow += α(fast − slow),  fast = slow.
/// The inner optimizer keeps its state then: the paper tries this and two other ways.
struct Lookahead {
  Hyper k = 5;        ///< inner steps between two moves of the slow weights; a fraction is cut off
  Hyper alpha = 0.5;  ///< how far the slow weights follow, from 0 to 1, α

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
  static constexpr Role role = Role::moves_weights;  ///< moves the weights after a step
  static constexpr bool elementwise = true;          ///< an element needs no other element
  static constexpr bool atomic = true;               ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("k", o.k, kCount);
    f("alpha", o.alpha, kClosedUnit);
  }
  /// Lists the count and the slow weights.
  void state(auto& visit) {
    visit("since", since, -1);
    visit("slow", slow, since >= 0);
  }

  /// Makes the step. At every k-th step, moves the slow weights and resets the fast weights.
  void apply(Update& u) {
    const double period = std::floor(k(u.step())), share = alpha(u.step());
    std::vector<Tensor> first;
    if (slow.empty())
      for (std::size_t i = 0; i < u.size(); ++i) first.push_back(u.weight(i).clone());
    const bool made = u.inner();
    if (slow.empty()) {
      slow = std::move(first);
      since = 0;
    }
    if (!made || static_cast<double>(++since) < period) return;
    since = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor& w = u.parameters()[i].value;
      detail::approach(slow[i], w, share);
      write_weight(w, slow[i]);
    }
  }

  std::vector<Tensor> slow = {};  ///< the slow weights, one tensor for each parameter
  std::int64_t since = -1;  ///< inner steps since the slow weights moved; −1 before the first step
};

/// Puts Lookahead around an optimizer. See Lookahead; throws as wrap().
inline Optimizer lookahead(Optimizer&& inner, Lookahead options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Lookahead
#include <descent/optim/engine/built_in.inc>
