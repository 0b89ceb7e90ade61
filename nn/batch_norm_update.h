// Recomputing batch normalisation's statistics, for weights that were averaged (SWA).
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/nn/module.h>

namespace descent::nn {

namespace detail {
/// While one lives, BatchNorm1d averages the batches of this thread with equal weights.
class CumulativeStatisticsGuard {
 public:
  CumulativeStatisticsGuard() noexcept;
  ~CumulativeStatisticsGuard();
  CumulativeStatisticsGuard(const CumulativeStatisticsGuard&) = delete;
  CumulativeStatisticsGuard& operator=(const CumulativeStatisticsGuard&) = delete;
};
bool cumulative_statistics() noexcept;
void reset_batch_norm(const Module& module);
}  // namespace detail

/// Resets running means and variances and makes them the plain average over one pass through
/// `batches`, any range that gives `auto [x, y]`. The module's mode is put back.
template <class Batches>
void update_batch_norm(Module& module, Batches&& batches) {
  struct Mode {  // put back also when a batch throws
    Module& module;
    bool training = module.is_training();
    ~Mode() { module.train(training); }
  } mode{module};
  detail::reset_batch_norm(module);
  module.train();
  const NoGradGuard no_grad;
  const detail::CumulativeStatisticsGuard cumulative;
  for (auto&& [x, y] : batches) module(x);
}

}  // namespace descent::nn
