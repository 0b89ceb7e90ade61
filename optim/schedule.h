// Schedules: values that change from step to step. Any setting of any rule or wrapper takes a
// schedule.
//
//   optim::AdamW{.lr = optim::warmup(100, optim::cosine(1e-3, 5000))}
//
// Steps t count from 0. Every schedule is a closed form of t, so its value at any step can be asked
// for. If PyTorch has a schedule, the formula is that of PyTorch. Every function throws ValueError
// if a count of steps is below 1, or if a number is NaN or infinite.
#pragma once

#include <descent/optim/hyper.h>

#include <utility>
#include <vector>

namespace descent::optim {

/// @name Schedules that fall
/// `value` is the value at t = 0, `steps` is the length in steps, and `end` is the value after
/// `steps`.
/// @{

/// value · gamma^⌊t/every⌋: multiplied by gamma after every `every` steps.
Schedule step_decay(double value, std::int64_t every, double gamma = 0.1);
/// value · gamma^n. n counts the milestones up to step t. A milestone is the number of a step.
Schedule multi_step(double value, double gamma, std::vector<std::int64_t> milestones);
/// value · gamma^t: multiplied by gamma after every step.
Schedule exponential(double value, double gamma);
/// end + (value − end)·(1 − t/steps)^power. power = 1 falls along a straight line.
Schedule polynomial(double value, std::int64_t steps, double power = 1, double end = 0);
/// end + (value − end)·(1 + cos(πt/steps))/2. Source: Loshchilov & Hutter 2017, arXiv:1608.03983.
/// Deviation: after `steps` the value stays at `end`. In PyTorch the value rises again.
Schedule cosine(double value, std::int64_t steps, double end = 0);
/// Falls as cosine() over `first` steps, then again from `value` over first·multiply steps, then
/// over first·multiply² steps, and so on. Source: SGDR, Loshchilov & Hutter 2017, arXiv:1608.03983.
Schedule cosine_restarts(double value, std::int64_t first, std::int64_t multiply = 1,
                         double end = 0);
/// end + (value − end)·(1 − √(t/steps)): a cool-down that falls fast at first. Source: Hägele et
/// al. 2024, arXiv:2405.18392.
Schedule sqrt_cooldown(double value, std::int64_t steps, double end = 0);
/// value·(1 − s)/(½ + ½(1 − s)) with s = t/steps: nearly linear, but later. Source: Chen et al.
/// 2021, arXiv:2107.04197 (REX).
Schedule rex(double value, std::int64_t steps);
/// value / √(t + 1). The theory of convex problems uses this rate.
Schedule sqrt_decay(double value);
/// @}

/// The same value at every step.
Schedule constant(double value);
/// value·(1 − cos(2π·log₂(1 + 15·t/steps)))/2: four waves, each twice as long as the one before.
/// Starts and ends at 0. Source: Holzmüller et al. 2024, arXiv:2407.04491 (coslog4).
Schedule coslog4(double value, std::int64_t steps);
/// Goes along a straight line from `from` to `to` in `steps` steps, then stays at `to`.
Schedule ramp(double from, double to, std::int64_t steps);
/// Rises from `low` to `high` in `up` steps and falls back in `down` steps, again and again. After
/// each cycle the height is multiplied by `decay`. Source: Smith 2017, arXiv:1506.01186. A decay of
/// 0.5 is what PyTorch calls triangular2.
Schedule cyclic(double low, double high, std::int64_t up, std::int64_t down, double decay = 1);
/// value · min((t + 1)/warmup, √(warmup/(t + 1))): rises over `warmup` steps, then falls as 1/√t.
/// Source: Vaswani et al. 2017, arXiv:1706.03762.
Schedule inverse_sqrt(double value, std::int64_t warmup = 1);
/// Rises in `steps` steps to the first value of `then`, by then(0)·(t + 1)/steps. Afterwards
/// follows `then` from its step 0 on.
///
///   warmup(100, cosine(1e-3, 5000))
Schedule warmup(std::int64_t steps, Hyper then);
/// How wsd() falls: along a straight line, or by 1 − √s.
enum class Cooldown { linear, sqrt };
/// Warm-up, stable, decay: rises to `value` in `warmup` steps as warmup(), keeps it for `stable`
/// steps, and falls to `end` in `decay` steps along a straight line, or as
/// sqrt_cooldown(). `warmup` and `stable` may be 0. Sources: Hu et al. 2024, arXiv:2404.06395,
/// whose decay is exponential; Hägele et al. 2024, arXiv:2405.18392.
Schedule wsd(double value, std::int64_t warmup, std::int64_t stable, std::int64_t decay,
             double end = 0, Cooldown cooldown = Cooldown::linear);
/// Follows each part for its number of steps, and the last part for ever. Each part begins at its
/// step 0. Throws ValueError if there is no part.
///
///   joined({{100, 0.1}, {1, cosine(0.01, 500)}})  // 0.1 for 100 steps, then a cosine
Schedule joined(std::vector<std::pair<std::int64_t, Hyper>> parts);

/// The shape of one_cycle().
struct OneCycleOptions {
  double pct_start = 0.3;         ///< share of the steps that rise, from 0 to 1
  double div_factor = 25;         ///< the first value is max/div_factor
  double final_div_factor = 1e4;  ///< the last value is the first value/final_div_factor
};
/// Rises along a cosine to `max` and falls along a cosine, in `total_steps` steps. Source: Smith &
/// Topin 2018, arXiv:1708.07120. Throws ValueError if pct_start is not in [0, 1] or a factor is not
/// above 0.
Schedule one_cycle(double max, std::int64_t total_steps, OneCycleOptions options = {});

/// How swa_lr() goes to its rate: along a cosine or along a straight line.
enum class Anneal { cosine, linear };
/// The rate for stochastic weight averaging. Follows `before` up to step `start`, goes to `swa_lr`
/// in `anneal_steps` steps, and stays there. Source: Izmailov et al. 2018, arXiv:1803.05407, in the
/// form of PyTorch's SWALR. Throws ValueError if `start` is below 0.
Schedule swa_lr(Hyper before, std::int64_t start, double swa_lr, std::int64_t anneal_steps = 10,
                Anneal anneal = Anneal::cosine);

}  // namespace descent::optim
