// SAM: sharpness-aware minimisation, around any optimizer.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/core/random.h>
#include <descent/optim/engine/wrapper.h>

namespace descent::optim {

/// SAM. Source: Foret et al. 2021, arXiv:2010.01412, Alg. 1. The norm N = ‖g‖₂ runs over all
/// parameters:
///   climb θ += ρ·g/N;  take the gradient there;  put θ back;  make the step with that gradient.
/// `adaptive`: Kwon et al. 2021, arXiv:2102.11600, Alg. 1. With T = |θ| + 0.01 elementwise:
///   climb θ += ρ·T²g/‖T·g‖.
/// Where the rule maximises, the climb goes the other way, to a smaller loss.
/// θ is put back from a copy, with the same bits. Deviation: in the authors' code
/// of the adaptive form T of biases is 1. Here T is the same for all parameters.
///
/// A step evaluates the gradient twice, so step() needs a closure. step() returns the loss before
/// the climb. In the second evaluation, layers leave their running statistics alone. The thread's
/// default generator repeats its draws then, so dropout drops the same units. If N is 0 or not
/// finite, there is no climb and no second evaluation.
struct Sam {
  Hyper rho = 0.05;       ///< length of the climb, ρ; use 0.5 if `adaptive` is true
  bool adaptive = false;  ///< measures the climb relative to each weight

  static constexpr Card card{
      .name = "sam",
      .title = "Sharpness-aware minimisation, around any optimizer",
      .formula = "N = ‖g‖₂,  climb θ += ρ g/N,  gradient there,  θ back,  base step",
      .paper = "Foret et al. 2021, arXiv:2010.01412",
      .when = "Overfitting nets and noisy labels: finds flatter minima that generalise better.",
      .avoid = "Where time is what is short: the base optimizer gets two steps for one.",
      .traps = "Two gradient evaluations a step: compare it at equal cost. Needs a closure.",
      .gradient_evaluations = 2};
  static constexpr Role role = Role::climbs;  ///< the gradient is that of other weights
  static constexpr bool atomic = true;        ///< if a step throws, nothing has changed
  static void fields(auto& o, auto&& f) {
    f("rho", o.rho, kNonNegative);
    f("adaptive", o.adaptive);
  }
  /// asam.
  static std::vector<Preset<Sam>> presets() {
    return {{"asam",
             {.rho = 0.5, .adaptive = true},
             {.title = "Adaptive SAM: the climb is relative to each weight",
              .formula = "T = |θ| + 0.01,  climb θ += ρ T²g/‖Tg‖",
              .paper = "Kwon et al. 2021, arXiv:2102.11600",
              .when = "As SAM, where layers differ in the scale of their weights.",
              .traps = "Its ρ is ten times SAM's."}}};
  }

  /// Evaluates the gradient, climbs, evaluates the gradient there, and puts the weights back. A
  /// compiled step records each part by itself, so each replay decides anew whether to climb. If a
  /// replay does not climb, the second evaluation gives the same gradient again.
  double evaluate(auto& e) {
    return evaluate(e, rho, [](const Parameters&) {});
  }
  /// The same, with a climb of length `by`. keep(parameters) is called before the climb, while the
  /// gradients are those at the weights.
  double evaluate(auto& e, const Hyper& by, const auto& keep) {
    e.perform([this](const Parameters&, std::int64_t) { draws = default_generator().state(); });
    const double loss = e.inner();
    const auto back = [this](const Parameters&, std::int64_t) { descend(); };
    e.at_failure([this] { descend(); });
    try {
      e.perform([this, by, keep, sign = e.signs()](const Parameters& all, std::int64_t t) {
        keep(all);
        climb(all, by(t), sign);
        climbed = !moved.empty();
      });
      if (moved.empty() && !e.recording()) return loss;
      const FrozenStatisticsGuard frozen;
      e.perform([this](const Parameters&, std::int64_t) { default_generator().set_state(draws); });
      e.inner();
    } catch (...) {
      descend();
      if (e.recording()) e.perform(back);  // for a caller that goes on recording
      throw;
    }
    e.perform(back);
    return loss;
  }

  /// Copies the weights and climbs by `radius`. Copies nothing if the norm is 0 or not finite.
  void climb(const Parameters& all, double radius, const auto& sign) {
    moved.clear();
    saved.clear();
    double norm = 0;
    for (const Parameter& p : all)
      if (const Tensor g = p.value.grad(); g.defined())
        norm = std::hypot(norm, euclidean_norm(adaptive ? scale_of(p.value) * g : g));
    if (norm == 0 || !std::isfinite(norm) || radius == 0) return;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor g = all[i].value.grad(), w = all[i].value.detach();
      if (!g.defined()) continue;
      saved.push_back(w.clone());
      moved.push_back(w);
      w.add_(adaptive ? square(scale_of(w)) * g : g, sign(i) * radius / norm);
    }
  }
  /// Puts the weights back, in reverse order, because two parameters may be views of one tensor.
  /// Takes no memory and throws nothing.
  void descend() {
    for (; !moved.empty(); moved.pop_back(), saved.pop_back()) {
      if (saved.size() > moved.size()) saved.pop_back();  // this weight has not moved
      write_weight(moved.back(), saved.back());
    }
    saved.clear();
  }
  /// T of the adaptive form.
  static Tensor scale_of(const Tensor& w) { return abs(w) + 0.01; }

  /// The weights that climbed, and copies of them from before the climb.
  std::vector<Tensor> moved = {}, saved = {};
  Generator::State draws = {};  ///< the generator before the first evaluation
  bool climbed = false;         ///< true if the step under way has climbed
};

/// Puts sharpness-aware minimisation around an optimizer. See Sam; throws as wrap().
inline Optimizer sam(Optimizer&& base, Sam options = {}) {
  return wrap(std::move(base), std::move(options));
}
/// Puts SAM in its adaptive form around an optimizer. See Sam; throws as wrap().
inline Optimizer asam(Optimizer&& base, const Hyper& rho = 0.5) {
  return wrap(std::move(base), Sam{.rho = rho, .adaptive = true});
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Sam
#include <descent/optim/engine/built_in.inc>
