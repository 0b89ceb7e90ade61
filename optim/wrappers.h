// Wrappers: an optimizer around another. Each overrides one verb: SAM how gradients are made, the
// rest how they are used; they nest, and never write a gradient. The outermost sees a gradient
// first.
//
//   auto optimizer = optim::sam(optim::clip_norm({model.parameters(), optim::AdamW{}}, 1.0));
//
// What cannot go together is refused with the reason, by a ValueError: SAM around SAM; anything
// that changes gradients around L-BFGS, whose line search makes its own; an average, or Lookahead,
// around a rule that averages itself (Schedule-Free, ASGD); Lookahead around an average.
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

// ---- sharpness-aware minimisation ----

struct SamOptions {
  Hyper rho = 0.05;       ///< radius of the climb; 0.5 suits the adaptive form
  bool adaptive = false;  ///< ASAM: the climb is measured relative to each weight

  static constexpr Card card{
      .name = "sam",
      .title = "Sharpness-aware minimisation, around any optimizer",
      .formula = "N = ‖g‖₂,  climb θ += ρ g/N,  gradient there,  θ back,  base step",
      .paper = "Foret et al. 2021, arXiv:2010.01412",
      .when = "Overfitting nets and noisy labels: finds flatter minima that generalise better.",
      .avoid = "Where time is what is short: the base optimizer gets two steps for one.",
      .traps = "Two gradient evaluations a step: compare it at equal cost. Needs a closure.",
      .gradient_evaluations = 2};
  static void fields(auto& o, auto&& f) {
    f("rho", o.rho, kNonNegative);
    f("adaptive", o.adaptive);
  }
};
/// Foret et al. 2021, arXiv:2010.01412. With N = ‖g‖₂ over all parameters: climb θ += ρ·g/N, take
/// the gradient there, put θ back exactly, and step with that gradient. Adaptive (Kwon et al. 2021,
/// arXiv:2102.11600): with T = |θ| + 0.01, θ += ρ·T²g/‖T·g‖.
/// Two gradient evaluations a step, so step() needs a closure. In the second pass layers leave
/// running statistics alone, and the thread's default generator repeats its draws (the same dropout
/// masks). N = 0 or not finite: no climb. Returns the loss before the climb.
Optimizer sam(Optimizer base, SamOptions options = {});
/// sam with the adaptive form and its usual radius.
Optimizer asam(Optimizer base, Hyper rho = 0.5);

// ---- clipping ----

struct ClipNormOptions {
  Hyper max_norm = kInfinity;

  static constexpr Card card{
      .name = "clip_norm",
      .title = "Gradient clipping by norm",
      .formula = "if ‖g‖ > c:  g ← c g/‖g‖,  the norm over all parameters",
      .paper = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
      .when = "Recurrent networks, losses with cliffs: keeps the direction, bounds the step.",
      .avoid = "As a cure for a rate that is too high.",
      .traps =
          "With Adam's kind the scale cancels out in the long run; a bound far below the usual "
          "norm is a lower rate in disguise."};
  static void fields(auto& o, auto&& f) { f("max_norm", o.max_norm, kPositive); }
};
/// If the norm of all gradients exceeds c, all are scaled by c/norm. Pascanu et al. 2013,
/// arXiv:1211.5063; exactly that formula, without PyTorch's + 1e-6.
Optimizer clip_norm(Optimizer inner, Hyper max_norm);

struct ClipValueOptions {
  Hyper max_value = kInfinity;

  static constexpr Card card{.name = "clip_value",
                             .title = "Gradient clipping by value",
                             .formula = "g ← min(max(g, −c), c),  each element",
                             .paper = "Mikolov 2012, PhD thesis",
                             .when = "A few wild elements among many.",
                             .avoid = "Where the direction matters: clip_norm keeps it.",
                             .traps = "Changes the direction of the step."};
  static void fields(auto& o, auto&& f) { f("max_value", o.max_value, kPositive); }
};
/// Every element is limited to [−c, c]: changes the direction.
Optimizer clip_value(Optimizer inner, Hyper max_value);

struct ClipNormPerParameterOptions {
  Hyper max_norm = kInfinity;

  static constexpr Card card{
      .name = "clip_norm_per_parameter",
      .title = "Gradient clipping by norm, each parameter by itself",
      .formula = "if ‖g_i‖ > c:  g_i ← c g_i/‖g_i‖,  the norm of each tensor",
      .paper = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
      .when = "One layer's gradients explode while the others are fine.",
      .avoid = "Comparisons with published settings: those clip the norm of all.",
      .traps =
          "Changes the direction of the step, and depends on how weights are split in tensors."};
  static void fields(auto& o, auto&& f) { f("max_norm", o.max_norm, kPositive); }
};
/// Each parameter's gradient is scaled on its own to a norm of at most c.
Optimizer clip_norm_per_parameter(Optimizer inner, Hyper max_norm);

struct AgcOptions {
  Hyper clip = 0.01;  ///< largest ratio of a unit's gradient to its weights
  Hyper eps = 1e-3;   ///< weights count as at least this long

  static constexpr Card card{
      .name = "agc",
      .title = "Adaptive gradient clipping, each unit by itself",
      .formula = "c = λ max(‖θ_u‖, ε);  if ‖g_u‖ > c:  g_u ← c g_u/‖g_u‖,  u a row or a vector",
      .paper = "Brock et al. 2021, arXiv:2102.06171",
      .when = "Deep networks without batch norm, at large batches and rates.",
      .avoid = "The last layer, as the authors found.",
      .traps = "A unit whose weights start at zero is held to λε until it has grown."};
  static void fields(auto& o, auto&& f) {
    f("clip", o.clip, kPositive);
    f("eps", o.eps, kNonNegative);
  }
};
/// The gradient of each unit, which is a row (all of an index of the first dimension) or a whole
/// vector, is scaled to at most clip·max(‖weights of the unit‖, eps). Brock et al. 2021,
/// arXiv:2102.06171.
Optimizer agc(Optimizer inner, AgcOptions options = {});

/// Scales the gradients in place, as PyTorch's torch.nn.utils; returns the norm before. Throws
/// ValueError for max_norm <= 0, NonFiniteError when the norm is not a number.
double clip_grad_norm_(const Parameters& parameters, double max_norm);
/// Limits every element of the gradients in place.
void clip_grad_value_(const Parameters& parameters, double max_value);

// ---- other gradients ----

struct NoiseOptions {
  Hyper eta = 0.01;    ///< variance of the noise at the first step
  Hyper gamma = 0.55;  ///< how fast it falls
  Hyper seed = 0;      ///< the noise of a step depends on this and the step's number alone

  static constexpr Card card{
      .name = "noise",
      .title = "Gradient noise that falls with time",
      .formula = "g += N(0, η/(1+t)^γ)",
      .paper = "Neelakantan et al. 2015, arXiv:1511.06807",
      .when = "Very deep or badly initialised networks that get stuck early.",
      .avoid = "Nets that train well already, and small batches, which bring noise of their own.",
      .traps = "η is a variance. Clip outside of it, as noise(clip_norm(…)) clips the noise too."};
  static void fields(auto& o, auto&& f) {
    f("eta", o.eta, kNonNegative);
    f("gamma", o.gamma, kNonNegative);
    f("seed", o.seed, kNonNegative);
  }
};
/// Adds normal noise of variance η/(1+t)^γ to each element, t the steps taken so far; the same
/// after saving and loading, and for any number of threads. Neelakantan et al. 2015,
/// arXiv:1511.06807.
Optimizer noise(Optimizer inner, NoiseOptions options = {});

struct AccumulateOptions {
  Hyper steps = 2;  ///< calls to a step

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
  static void fields(auto& o, auto&& f) { f("steps", o.steps, Range{1, kInfinity}); }
};
/// Sums the gradients of k calls of step() and hands their mean on at the k-th; the others change
/// nothing. A parameter without a gradient in a call counts as zero there.
Optimizer accumulate(Optimizer inner, Hyper steps);

struct SkipNonFiniteOptions {
  static constexpr Card card{
      .name = "skip_non_finite",
      .title = "Skips steps whose gradient is not finite",
      .formula = "if g has a NaN or ∞:  no step,  counted",
      .paper = "Micikevicius et al. 2018, arXiv:1710.03740",
      .when = "Rare overflows that the next batch forgets.",
      .avoid = "A loss that is NaN for good: it would be skipped for ever.",
      .traps = "Look at skipped_steps(). By default such a gradient is an error."};
  static void fields(auto&, auto&&) {}
};
/// set_non_finite(NonFinite::skip), as a part of the optimizer's description.
Optimizer skip_non_finite(Optimizer inner);

// ---- averages of weights ----

struct SwaOptions {
  Hyper start = 0;  ///< the first step after which the weights are averaged, from 0
  Hyper every = 1;  ///< steps between snapshots

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
  static void fields(auto& o, auto&& f) {
    f("start", o.start, kNonNegative);
    f("every", o.every, Range{1, kInfinity});
  }
};
/// Stochastic weight averaging: ā += (θ − ā)/(n + 1), the first snapshot copied. Izmailov et al.
/// 2018, arXiv:1803.05407. See swa_lr() for its rate, swap_average() and AverageGuard for using ā,
/// and nn::update_batch_norm() for ā's statistics.
Optimizer swa(Optimizer inner, SwaOptions options = {});

struct EmaOptions {
  Hyper decay = 0.999;

  static constexpr Card card{
      .name = "ema",
      .title = "Exponential moving average of the weights",
      .formula = "e = d e + (1−d) θ",
      .paper = "Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780",
      .when = "Evaluation with smoother weights, at any time of training.",
      .avoid = "Runs shorter than 1/(1−d) steps.",
      .traps = "Remembers about 1/(1−d) steps: too long for a short run.",
      .state = 1};
  static void fields(auto& o, auto&& f) { f("decay", o.decay, kClosedUnit); }
};
/// Exponential moving average: e = d·e + (1 − d)·θ, the first copied.
Optimizer ema(Optimizer inner, Hyper decay = 0.999);

struct LookaheadOptions {
  Hyper k = 5;        ///< inner steps between synchronisations
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
  static void fields(auto& o, auto&& f) {
    f("k", o.k, Range{1, kInfinity});
    f("alpha", o.alpha, kClosedUnit);
  }
};
/// Every k steps of the inner optimizer: slow += α(fast − slow), fast = slow. The slow weights
/// start as the weights before the first step. Zhang et al. 2019, arXiv:1907.08610.
Optimizer lookahead(Optimizer inner, LookaheadOptions options = {});

}  // namespace descent::optim
