// Schedules: settings that change from step to step, for any setting of any rule or wrapper.
//
//   optim::AdamW{.lr = optim::warmup(100, optim::cosine(1e-3, 5000))}
//
// Every schedule is a closed form of the step t, which counts from 0, so that any step can be asked
// for. Formulas are PyTorch's if PyTorch has the schedule. All throw ValueError for a count of
// steps below 1 and for numbers that are not finite.
#pragma once

#include <descent/optim/hyper.h>

#include <utility>
#include <vector>

namespace descent::optim {

/// @name Schedules that fall
/// `value` is the setting at t = 0, `steps` is the length, and `end` is where the schedule stays.
/// @{
/// value · gamma^⌊t/every⌋
Schedule step_decay(double value, std::int64_t every, double gamma = 0.1);
/// value · gamma^n, n the number of milestones that t has reached.
Schedule multi_step(double value, double gamma, std::vector<std::int64_t> milestones);
/// value · gamma^t
Schedule exponential(double value, double gamma);
/// end + (value − end)·(1 − t/steps)^power
Schedule polynomial(double value, std::int64_t steps, double power = 1, double end = 0);
/// end + (value − end)(1 + cos πt/steps)/2: Loshchilov & Hutter 2017, arXiv:1608.03983. PyTorch's
/// goes up again after `steps`; this one stays at `end`.
Schedule cosine(double value, std::int64_t steps, double end = 0);
/// cosine() over `first` steps, again over first·multiply, first·multiply², …: SGDR, the same
/// paper.
Schedule cosine_restarts(double value, std::int64_t first, std::int64_t multiply = 1,
                         double end = 0);
/// value / √(t + 1): the rate of the theory of convex problems.
Schedule sqrt_decay(double value);
/// @}

/// The same value at every step.
Schedule constant(double value);
/// Goes straight from `from` to `to` over `steps`, then stays at `to`.
Schedule ramp(double from, double to, std::int64_t steps);
/// Rises from `low` to `high` in `up` steps and falls in `down`, again and again. The height is
/// multiplied by `decay` after each cycle: Smith 2017, arXiv:1506.01186 (½ is PyTorch's
/// triangular2).
Schedule cyclic(double low, double high, std::int64_t up, std::int64_t down, double decay = 1);
/// value · min((t + 1)/warmup, √(warmup/(t + 1))): Vaswani et al. 2017, arXiv:1706.03762.
Schedule inverse_sqrt(double value, std::int64_t warmup = 1);
/// Rises as (t + 1)/steps of the first value of `then`; after `steps`, follows `then` from its step
/// 0.
Schedule warmup(std::int64_t steps, Hyper then);
/// Follows each part for its number of steps, counted from 0 anew, and the last part for ever.
///
///   joined({{100, 0.1}, {1, cosine(0.01, 500)}})  // 0.1 for 100 steps, then a cosine
Schedule joined(std::vector<std::pair<std::int64_t, Hyper>> parts);

struct OneCycleOptions {
  double pct_start = 0.3;         ///< share of the steps that rise, from 0 to 1
  double div_factor = 25;         ///< the first value is max/div_factor
  double final_div_factor = 1e4;  ///< the last value is the first/final_div_factor
};
/// Rises to `max` and falls again, along cosines: Smith & Topin 2018, arXiv:1708.07120. Throws
/// ValueError for options out of range.
Schedule one_cycle(double max, std::int64_t total_steps, OneCycleOptions options = {});

/// How swa_lr() goes to its rate: along a cosine or straight.
enum class Anneal { cosine, linear };
/// The rate of SWA: `before` up to step `start`, then annealed over `anneal_steps` to `swa_lr`,
/// which stays. Izmailov et al. 2018, arXiv:1803.05407.
Schedule swa_lr(Hyper before, std::int64_t start, double swa_lr, std::int64_t anneal_steps = 10,
                Anneal anneal = Anneal::cosine);

}  // namespace descent::optim
