// SAM: sharpness-aware minimisation, around any optimizer.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/random.h>
#include <descent/optim/engine/wrapper.h>

#include <cmath>

namespace descent::optim {

/// Foret et al. 2021, arXiv:2010.01412, Alg. 1. With N = ‖g‖₂ over all parameters: climb θ +=
/// ρ·g/N, take the gradient there, put θ back exactly, and step with that gradient. Adaptive (Kwon
/// et al. 2021, arXiv:2102.11600): with T = |θ| + 0.01, climb θ += ρ·T²g/‖T·g‖.
///
/// A step evaluates the gradient twice, so step() needs a closure; it returns the loss before the
/// climb. In the second evaluation layers leave their running statistics alone, and the thread's
/// default generator repeats its draws, so that dropout drops the same units. If N is 0 or not
/// finite, there is no climb and no second evaluation.
struct Sam {
  Hyper rho = 0.05;       ///< radius of the climb; 0.5 suits the adaptive form
  bool adaptive = false;  ///< the climb is measured relative to each weight

  static constexpr Card card{
      .name = "sam",
      .title = "Sharpness-aware minimisation, around any optimizer",
      .formula = "N = ‖g‖₂,  climb θ += ρ g/N,  gradient there,  θ back,  base step",
      .paper = "Foret et al. 2021, arXiv:2010.01412",
      .when = "Overfitting nets and noisy labels: finds flatter minima that generalise better.",
      .avoid = "Where time is what is short: the base optimizer gets two steps for one.",
      .traps = "Two gradient evaluations a step: compare it at equal cost. Needs a closure.",
      .gradient_evaluations = 2};
  static constexpr Role role = Role::climbs;
  static void fields(auto& o, auto&& f) {
    f("rho", o.rho, kNonNegative);
    f("adaptive", o.adaptive);
  }
  static std::vector<Preset<Sam>> presets() {
    return {{"asam",
             {.rho = 0.5, .adaptive = true},
             {.title = "Adaptive SAM: the climb is relative to each weight",
              .formula = "T = |θ| + 0.01,  climb θ += ρ T²g/‖Tg‖",
              .paper = "Kwon et al. 2021, arXiv:2102.11600",
              .when = "As SAM, where layers differ in the scale of their weights.",
              .traps = "Its ρ is ten times SAM's."}}};
  }

  // A compiled step records each part by itself. Each replay then decides whether to climb; without
  // a climb the second evaluation is at the same place and changes nothing.
  double evaluate(Evaluation& e) {
    e.perform([this](const Parameters&, std::int64_t) { draws = default_generator().state(); });
    const double loss = e.inner();
    e.perform([this](const Parameters& all, std::int64_t t) { climb(all, rho(t)); });
    if (saved.empty() && !e.recording()) return loss;
    struct Descend {  // also if the closure throws
      Evaluation& e;
      Sam& sam;
      ~Descend() {
        e.perform([&s = sam](const Parameters&, std::int64_t) { s.descend(); });
      }
    } descend_at_end{e, *this};
    e.at_failure([this] { descend(); });
    const FrozenStatisticsGuard frozen;
    e.perform([this](const Parameters&, std::int64_t) { default_generator().set_state(draws); });
    e.inner();
    return loss;
  }

  void climb(const Parameters& all, double radius) {
    saved.clear();
    double norm = 0;
    for (const Parameter& p : all)
      if (const Tensor g = p.value.grad(); g.defined())
        norm = std::hypot(norm, euclidean_norm(adaptive ? scale_of(p.value) * g : g));
    if (norm == 0 || !std::isfinite(norm) || radius == 0) return;
    for (const Parameter& p : all) {
      const Tensor g = p.value.grad(), w = p.value.detach();
      if (!g.defined()) continue;
      saved.emplace_back(w, w.clone());
      w.add_(adaptive ? square(scale_of(w)) * g : g, radius / norm);
    }
  }
  /// Puts the weights back, the last first: two parameters may be views of one tensor.
  void descend() {
    for (auto i = saved.rbegin(); i != saved.rend(); ++i) i->first.copy_(i->second);
    saved.clear();
  }
  static Tensor scale_of(const Tensor& w) { return abs(w) + 0.01; }  // T

  std::vector<std::pair<Tensor, Tensor>> saved = {};  // weights, and what they were
  Generator::State draws = {};
};

/// Sharpness-aware minimisation around `base`; see Sam.
inline Optimizer sam(Optimizer base, Sam options = {}) {
  return wrap(std::move(base), std::move(options));
}
/// sam() in the adaptive form, at its usual radius.
inline Optimizer asam(Optimizer base, Hyper rho = 0.5) {
  return wrap(std::move(base), Sam{.rho = std::move(rho), .adaptive = true});
}

template <>
inline constexpr bool detail::built_in<Sam> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Sam)
#endif

}  // namespace descent::optim
