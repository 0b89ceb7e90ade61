// Schedules, in closed form. t is the step, from 0; PyTorch's formulas where it has the schedule.
// Errors: ValueError for counts below 1 and numbers that are not finite.
#pragma once

#include <descent/optim/hyper.h>

#include <utility>
#include <vector>

namespace descent::optim {

Schedule constant(double value);
/// value · gamma^⌊t/every⌋
Schedule step_decay(double value, std::int64_t every, double gamma = 0.1);
/// value · gamma^(milestones reached)
Schedule multi_step(double value, double gamma, std::vector<std::int64_t> milestones);
/// value · gamma^t
Schedule exponential(double value, double gamma);
/// From `from` to `to` over `steps`, then constant.
Schedule linear(double from, double to, std::int64_t steps);
/// end + (value − end)·(1 − t/steps)^power, then `end`.
Schedule polynomial(double value, std::int64_t steps, double power = 1, double end = 0);
/// end + (value − end)(1 + cos πt/steps)/2, then `end`: Loshchilov & Hutter 2017, arXiv:1608.03983.
/// PyTorch's goes up again after `steps`; this one stays.
Schedule cosine(double value, std::int64_t steps, double end = 0);
/// cosine() over `first` steps, again over first·multiply, first·multiply², …: SGDR, the same
/// paper.
Schedule cosine_restarts(double value, std::int64_t first, std::int64_t multiply = 1,
                         double end = 0);
/// Up from low to high in `up` steps, down in `down`, again and again, the amplitude times `decay`
/// each cycle: Smith 2017, arXiv:1506.01186 (decay ½ is PyTorch's triangular2).
Schedule cyclic(double low, double high, std::int64_t up, std::int64_t down, double decay = 1);
/// value · min((t + 1)/warmup, √(warmup/(t + 1))): Vaswani et al. 2017, arXiv:1706.03762.
Schedule inverse_sqrt(double value, std::int64_t warmup = 1);
/// value / √(t + 1): the rate of the theory of convex problems.
Schedule sqrt_decay(double value);
/// (t + 1)/steps of the next schedule's first value, then that schedule from its step 0.
Schedule warmup(std::int64_t steps, Hyper then);
/// Each part for its number of steps, counting from 0 anew; the last one for ever.
Schedule joined(std::vector<std::pair<std::int64_t, Hyper>> parts);
struct OneCycleOptions {
  double pct_start = 0.3;         ///< share of the steps that rise
  double div_factor = 25;         ///< the start is max/div_factor
  double final_div_factor = 1e4;  ///< the end is the start/final_div_factor
};
/// Up to `max` and down again, along cosines: Smith & Topin 2018, arXiv:1708.07120.
Schedule one_cycle(double max, std::int64_t total_steps, OneCycleOptions options = {});
enum class Anneal { cosine, linear };
/// SWA's rate: `before` up to step `start`, then annealed over `anneal_steps` to `swa_lr`, which
/// stays. Izmailov et al. 2018, arXiv:1803.05407.
Schedule swa_lr(Hyper before, std::int64_t start, double swa_lr, std::int64_t anneal_steps = 10,
                Anneal anneal = Anneal::cosine);

}  // namespace descent::optim
