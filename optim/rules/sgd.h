// SGD: stochastic gradient descent, plain, with momentum, and with Nesterov's momentum.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Stochastic gradient descent. Sources: Robbins & Monro 1951; momentum: Polyak 1964; Nesterov's
/// momentum: Nesterov 1983, in the form of Sutskever et al. 2013. Without momentum:
///   θ −= η·g.
/// Momentum in gradient form, as PyTorch, with b = g at the first step:
///   b = μ·b + (1 − τ)·g,  θ −= η·b;     with `nesterov`:  θ −= η·(g + μ·b).
/// Momentum in step form, with `step_form`, as in the papers:
///   v = μ·v + η·g,  θ −= v;             with `nesterov`:  θ −= μ·v + η·g.
/// Both forms agree while η is constant. If η falls, the step form goes on at the old speed for a
/// while. Deviation, as in PyTorch: weight_decay adds λθ to g (L2).
struct SGD {
  /// lr: rate η. momentum: share of b that each step keeps, μ. dampening: share of g that is left
  /// out, τ. weight_decay: L2 penalty λ.
  Hyper lr = 1e-2, momentum = 0, dampening = 0, weight_decay = 0;
  /// nesterov: looks ahead. step_form: momentum keeps steps instead of gradients. maximize: climbs
  /// instead of descending.
  bool nesterov = false, step_form = false, maximize = false;

  static constexpr Card card{
      .name = "sgd",
      .title = "Stochastic gradient descent",
      .formula = "θ −= η g",
      .paper = "Robbins & Monro 1951; Polyak 1964; Nesterov 1983; Sutskever et al. 2013",
      .when =
          "Cheap, small state, the best final accuracy when its rate is tuned and lowered in time.",
      .avoid = "Gradients of very different size: embeddings, deep nets without norms.",
      .traps =
          "Needs tuning: too high a rate diverges, too low a one crawls. Whether a step sees one "
          "sample, a mini-batch or everything is the loader's batch size.",
      .state = 0,
      .basic = true};
  /// momentum: b, or v in the step form. Plain SGD keeps nothing.
  static constexpr std::array slot_names{"momentum"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("dampening", r.dampening, kClosedUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("nesterov", r.nesterov);
    f("step_form", r.step_form);
    f("maximize", r.maximize);
  }
  /// Throws ValueError if `nesterov` has no momentum, or if dampening goes with `nesterov` or
  /// `step_form`.
  void check() const {
    if (nesterov && (momentum(0) == 0 || dampening(0) != 0))
      fail<ValueError>("sgd", "got nesterov with momentum = ", momentum(0),
                       " and dampening = ", dampening(0),
                       ", expected momentum in (0, 1) and dampening 0");
    if (step_form && dampening(0) != 0)
      fail<ValueError>("sgd", "got step_form with dampening = ", dampening(0), ", expected 0");
  }

  /// momentum and nesterov.
  static std::vector<Preset<SGD>> presets() {
    return {
        {"momentum",
         {.momentum = 0.9},
         {.title = "SGD with momentum",
          .formula = "b = μb + (1−τ)g,  θ −= ηb   (step form: v = μv + ηg, θ −= v)",
          .when =
              "Narrow valleys and noisy gradients: keeps its direction, and is fast once tuned.",
          .traps = "The effective rate is η/(1−μ): ten times η at 0.9. In the step form a lowered "
                   "rate takes hold only slowly."}},
        {"nesterov",
         {.momentum = 0.9, .nesterov = true},
         {.title = "SGD with Nesterov's momentum",
          .formula = "b = μb + g,  θ −= η(g + μb)",
          .when = "As momentum, with less overshooting; full batches of convex problems.",
          .traps = "Needs momentum, and no dampening. The effective rate is η/(1−μ)."}}};
  }

  template <class T>
  void dispatch(Step s, auto&& run) const {
    const double rate = lr(s), speed = momentum(s);
    const T eta = T(rate), mu = T(speed), decay = T(weight_decay(s));
    const T fresh = s.t == 1 ? T(1) : T(1 - dampening(s));
    const bool look_ahead = nesterov;
    if (speed == 0)
      run([=](auto& w, auto g) { w -= eta * (g + decay * w); });
    else if (step_form)
      run([=](auto& w, auto g, auto& v) {
        g += decay * w;
        v = mu * v + eta * g;
        w -= look_ahead ? mu * v + eta * g : v;
      });
    else
      run([=](auto& w, auto g, auto& b) {
        g += decay * w;
        b = mu * b + fresh * g;
        w -= eta * (look_ahead ? g + mu * b : b);
      });
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN SGD
#include <descent/optim/engine/built_in.inc>
