// Wrappers: an optimizer around another. Each overrides one verb: SAM how gradients are made, the
// rest how they are used; they nest in any order and never write a gradient.
//
//   auto optimizer = optim::sam(optim::clip_norm({model.parameters(), optim::AdamW{}}, 1.0));
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

// ---- sharpness-aware minimisation ----

struct SamOptions {
  Hyper rho = 0.05;       ///< radius of the climb; 0.5 suits the adaptive form
  bool adaptive = false;  ///< ASAM: the climb is measured relative to each weight
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

/// If the norm of all gradients exceeds c, all are scaled by c/norm. Pascanu et al. 2013,
/// arXiv:1211.5063; exactly that formula, without PyTorch's + 1e-6.
Optimizer clip_norm(Optimizer inner, Hyper max_norm);
/// Every element is limited to [−c, c]: changes the direction.
Optimizer clip_value(Optimizer inner, Hyper max_value);
/// Each parameter's gradient is scaled on its own to a norm of at most c.
Optimizer clip_norm_per_parameter(Optimizer inner, Hyper max_norm);

/// Scales the gradients in place, as PyTorch's torch.nn.utils; returns the norm before. Throws
/// ValueError for max_norm <= 0, NonFiniteError when the norm is not a number.
double clip_grad_norm_(const Parameters& parameters, double max_norm);
/// Limits every element of the gradients in place.
void clip_grad_value_(const Parameters& parameters, double max_value);

// ---- averages of weights ----

struct SwaOptions {
  std::int64_t start = 0;  ///< the first step after which the weights are averaged, from 0
  std::int64_t every = 1;  ///< steps between snapshots
};
/// Stochastic weight averaging: ā += (θ − ā)/(n + 1), the first snapshot copied. Izmailov et al.
/// 2018, arXiv:1803.05407. See swa_lr() for its rate, swap_average() and AverageGuard for using ā,
/// and nn::update_batch_norm() for ā's statistics.
Optimizer swa(Optimizer inner, SwaOptions options = {});
/// Exponential moving average: e = d·e + (1 − d)·θ, the first copied.
Optimizer ema(Optimizer inner, Hyper decay = 0.999);

}  // namespace descent::optim
