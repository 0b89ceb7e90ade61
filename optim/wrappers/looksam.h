// LookSAM: SAM whose second gradient is taken only now and then.
#pragma once

#include <descent/core/create.h>
#include <descent/optim/wrappers/sam.h>

namespace descent::optim {

/// LookSAM. Source: Liu et al. 2022, arXiv:2203.02714, Alg. 1. Norms and products run over all
/// parameters. Steps 0, k, 2k, … are steps of SAM, with the gradient g_s at the weights that
/// climbed:
///   g_v = g_s − (⟨g_s, g⟩/‖g‖²)·g;
/// at the other steps the rule sees g + α·(‖g‖/‖g_v‖)·g_v.
/// Needs a closure. Cannot be compiled, because steps differ.
struct LookSam {
  Hyper rho = 0.05;   ///< length of the climb, ρ
  Hyper k = 5;        ///< a step of SAM comes every k steps
  Hyper alpha = 0.7;  ///< share of g_v at the steps between, α

  static constexpr Card card{
      .name = "looksam",
      .title = "LookSAM: SAM at nearly the cost of its base",
      .formula = "every k steps SAM, g_v = g_s − (⟨g_s,g⟩/‖g‖²)g;  between: g + α‖g‖/‖g_v‖ g_v",
      .paper = "Liu et al. 2022, arXiv:2203.02714",
      .when = "Where SAM helps and time is short: 1.2 gradients a step.",
      .avoid = "Noisy gradients: g_v of an old batch says little about the next.",
      .traps = "Needs a closure. With k = 1 it is SAM.",
      .state = 1,
      .gradient_evaluations = 1.2};
  static constexpr Role role = Role::climbs;  ///< the gradient is that of other weights
  static void fields(auto& o, auto&& f) {
    f("rho", o.rho, kNonNegative);
    f("k", o.k, kCount);
    f("alpha", o.alpha, kNonNegative);
  }
  /// Lists the count and g_v.
  void state(auto& visit) {
    visit("since", since);
    visit("orthogonal", orthogonal, false);
  }

  /// Evaluates the gradient, and at every k-th step that at the weights that climbed.
  double evaluate(auto& e) {
    if (e.recording())
      fail<GraphError>("looksam",
                       "got a step inside compile(), expected an eager one: its steps "
                       "differ");
    if (looks()) return e.inner();
    return sam.evaluate(e, rho, [this](const Parameters& all) {
      here.clear();
      for (const Parameter& p : all)
        here.push_back(p.value.grad().defined() ? p.value.grad().clone() : zeros_like(p.value));
    });
  }
  /// Keeps g_v, or adds its share to the gradient. Makes the step.
  void apply(Update& u) {
    if (u.refused()) return;
    if (looks())
      add(u);
    else if (sam.climbed)
      separate(u);
    if (static_cast<double>(++since) >= std::floor(k(u.step()))) since = 0;
    u.inner();
  }
  /// True for a step that uses g_v and evaluates one gradient.
  bool looks() const { return since > 0 && !orthogonal.empty(); }
  /// Keeps g_v of the gradients here and those at the weights that climbed.
  void separate(Update& u) {
    double along = 0, square = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      if (const Tensor there = u.gradient(i); there.defined())
        along += sum(here[i].to(kFloat64) * there.to(kFloat64)).item();
      square += sum(descent::square(here[i].to(kFloat64))).item();
    }
    orthogonal.clear();
    const double share = along / square;
    if (!std::isfinite(share)) return;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor there = u.gradient(i);
      orthogonal.push_back(there.defined() ? there - here[i] * share : zeros_like(here[i]));
    }
  }
  /// The rule sees g + α·(‖g‖/‖g_v‖)·g_v.
  void add(Update& u) {
    double g = 0, v = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      g = std::hypot(g, u.gradient_norm(i));
      v = std::hypot(v, euclidean_norm(orthogonal[i]));
    }
    if (!(v > 0) || !std::isfinite(g / v)) return;
    for (std::size_t i = 0; i < u.size(); ++i)
      if (u.gradient(i).defined())
        u.set_gradient(i, u.gradient(i) + orthogonal[i] * (alpha(u.step()) * g / v));
  }

  std::vector<Tensor> here = {};        ///< the gradients at the weights, within a step
  std::vector<Tensor> orthogonal = {};  ///< g_v, one tensor for each parameter
  std::int64_t since = 0;               ///< steps since the last one of SAM, with that one
  Sam sam = {};                         ///< climbs and comes back
};

/// Puts LookSAM around an optimizer. See LookSam; throws as wrap().
inline Optimizer looksam(Optimizer&& base, LookSam options = {}) {
  return wrap(std::move(base), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN LookSam
#include <descent/optim/engine/built_in.inc>
