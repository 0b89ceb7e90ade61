// Batch normalisation: the layer, its running statistics, and how to compute the statistics anew.
//
// The running mean and variance are buffers: they are saved with the module and not trained. Two
// guards decide how a forward pass in training changes the running statistics.
// <descent/core/thread_state.h> documents both guards:
//   FrozenStatisticsGuard       leaves the running statistics alone
//   CumulativeStatisticsGuard   makes them the plain average of all batches
// Legend: N batch, D features.
#pragma once

#include <descent/core/thread_state.h>
#include <descent/nn/module.h>

namespace descent::nn {

/// Options of BatchNorm1d.
struct BatchNormOptions {
  double eps = 1e-5;      ///< added to the variance
  double momentum = 0.1;  ///< weight of a new batch in the running statistics, from 0 to 1
  bool affine = true;     ///< learn a scale and a shift for each feature
};

/// Normalises each feature over the batch: (N, D) → (N, D). Ioffe & Szegedy 2015, arXiv:1502.03167.
///
/// While training, a batch is normalised by its own mean and biased variance. The batch's mean and
/// unbiased variance then enter the running statistics. While evaluating, a batch is normalised by
/// the running statistics. If x does not have the shape (N, D), throws ShapeError. If a training
/// batch has one row, throws ShapeError: its variance would be 0.
///
/// While training, inputs of any size are normalised. If the variance of a batch is larger than the
/// largest number of running_var's type (inputs beyond about 1e19 in float32), the largest number
/// enters running_var in its place. Evaluation on such inputs then gives numbers that are too
/// large.
class BatchNorm1d : public Module {
 public:
  /// Throws ValueError for features < 1 or an option out of range.
  explicit BatchNorm1d(std::int64_t features, BatchNormOptions options = {});
  Tensor forward(const Tensor& x) override;

  Param weight;               ///< scale (D), starts at 1; undefined without affine
  Param bias;                 ///< shift (D), starts at 0; undefined without affine
  Param running_mean;         ///< buffer (D), starts at 0
  Param running_var;          ///< buffer (D), starts at 1
  Param num_batches_tracked;  ///< buffer (), int64: number of batches so far

 private:
  BatchNormOptions options_;
};

namespace detail {
/// Resets the running statistics of a module, and of all modules below it, to their initial values.
/// Unless keep() is called, the destructor puts all buffers back.
class NewStatistics {
 public:
  explicit NewStatistics(const Module& module);
  ~NewStatistics();
  NewStatistics(const NewStatistics&) = delete;
  NewStatistics& operator=(const NewStatistics&) = delete;
  void keep() { before_.clear(); }  ///< the new statistics are to stay

 private:
  Parameters buffers_;
  std::vector<Tensor> before_;  // the buffers as they were
};
}  // namespace detail

/// Computes the running statistics again, as the plain average over one pass through `batches`.
/// Call it after the weights were averaged (SWA), because the old statistics do not fit the
/// averaged weights. `batches` is any range that gives `auto [x, y]`. A batch of one row has no
/// variance and is left out, such as the last one of a data set. Afterwards each module is in its
/// earlier mode, training or evaluation. If a batch or the module throws, all buffers are as they
/// were. Throws ValueError if no batch has two rows.
///
///   optimizer.swap_average();
///   nn::update_batch_norm(model, loader);
template <class Batches>
void update_batch_norm(Module& module, Batches&& batches) {
  const TrainingGuard training(module);
  detail::NewStatistics statistics(module);
  const NoGradGuard no_grad;
  const CumulativeStatisticsGuard cumulative;
  bool any = false;
  for (auto&& [x, y] : batches)
    if (x.dim() == 0 || x.size(0) != 1) module(x), any = true;
  if (!any)
    fail<ValueError>("update_batch_norm", "got no batch of two rows, expected at least one");
  statistics.keep();
}

}  // namespace descent::nn
