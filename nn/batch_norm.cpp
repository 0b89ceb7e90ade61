#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/nn/batch_norm.h>
#include <descent/nn/extent.h>

#include <limits>

namespace descent::nn {
namespace {

double largest(DType dtype) {
  return dtype == kFloat32 ? static_cast<double>(std::numeric_limits<float>::max())
                           : std::numeric_limits<double>::max();
}

}  // namespace

detail::NewStatistics::NewStatistics(const Module& module) : buffers_(module.buffers()) {
  std::vector<Tensor> fresh;
  for (const Parameter& b : buffers_) {
    const bool zero = b.name.ends_with("running_mean") || b.name.ends_with("num_batches_tracked");
    const bool one = b.name.ends_with("running_var");
    before_.push_back(kernel::clone(b.value));
    fresh.push_back(zero ? zeros_like(b.value) : one ? ones_like(b.value) : before_.back());
  }
  for (std::size_t i = 0; i < fresh.size(); ++i) kernel::overwrite(fresh[i], buffers_[i].value);
}

detail::NewStatistics::~NewStatistics() {
  for (std::size_t i = 0; i < before_.size(); ++i) kernel::overwrite(before_[i], buffers_[i].value);
}

BatchNorm1d::BatchNorm1d(std::int64_t features, BatchNormOptions options)
    : Module(to_text("BatchNorm1d ", features)), options_(options) {
  detail::positive("BatchNorm1d", "features", features);
  if (!(options.eps >= 0))
    fail<ValueError>("BatchNorm1d", "got eps = ", options.eps, ", expected 0 or more");
  if (!(options.momentum >= 0 && options.momentum <= 1))
    fail<ValueError>("BatchNorm1d", "got momentum = ", options.momentum,
                     ", expected a number in [0, 1]");
  if (options.affine) {
    weight = register_parameter("weight", ones({features}));
    bias = register_parameter("bias", zeros({features}));
  }
  running_mean = register_buffer("running_mean", zeros({features}));
  running_var = register_buffer("running_var", ones({features}));
  num_batches_tracked = register_buffer("num_batches_tracked", zeros({}, kInt64));
}

Tensor BatchNorm1d::forward(const Tensor& x) {
  const std::int64_t features = running_mean.numel();
  if (x.dim() != 2 || x.size(1) != features)
    fail<ShapeError>("batch_norm", "got ", x.shape(), ", expected (N, ", features, ")");
  const auto scaled = [this](const Tensor& y) { return weight.defined() ? y * weight + bias : y; };
  if (!is_training()) return scaled((x - running_mean) * rsqrt(running_var + options_.eps));
  const std::int64_t n = x.size(0);
  if (n < 2)
    fail<ShapeError>("batch_norm", "got a batch of ", n,
                     " while training, expected 2 or more. Hint: drop_last, or eval()");
  const auto [value, mean, deviation] = normalize(x, {0}, options_.eps);
  Tensor y = scaled(value);
  if (statistics_frozen()) return y;
  const NoGradGuard guard;
  const double m =
      statistics_cumulative() ? 1 / (num_batches_tracked.item() + 1) : options_.momentum;
  const double unbiased = static_cast<double>(n) / static_cast<double>(n - 1);
  // Moves in double, where no square of a float overflows and no share m rounds to 0.
  const auto moved = [m](const Tensor& running, const Tensor& batch) {
    const Tensor before = running.to(kFloat64);
    return (before + (batch.reshape(running.shape()) - before) * m).to(running.dtype());
  };
  const Tensor new_mean = moved(running_mean, mean),
               new_var = moved(running_var,
                               minimum(square(deviation) * unbiased, largest(running_var.dtype()))),
               count = num_batches_tracked + 1;
  // What could throw has been done: the statistics change together or, after an error, not at all.
  kernel::overwrite(new_mean, running_mean);
  kernel::overwrite(new_var, running_var);
  kernel::overwrite(count, num_batches_tracked);
  return y;
}

}  // namespace descent::nn
