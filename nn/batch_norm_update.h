// Recomputing batch normalisation's statistics, for weights that were averaged (SWA).
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/nn/module.h>

namespace descent::nn {

namespace detail {
void reset_batch_norm(const Module& module);
}  // namespace detail

/// Resets running means and variances and makes them the plain average over one pass through
/// `batches`, any range that gives `auto [x, y]`. Afterwards each module trains or evaluates as
/// before.
template <class Batches>
void update_batch_norm(Module& module, Batches&& batches) {
  const TrainingGuard training(module);
  detail::reset_batch_norm(module);
  const NoGradGuard no_grad;
  const CumulativeStatisticsGuard cumulative;
  for (auto&& [x, y] : batches) module(x);
}

}  // namespace descent::nn
