#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
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

void detail::reset_batch_norm(const Module& module) {
  const NoGradGuard guard;
  for (const Parameter& b : module.buffers()) {
    if (b.name.ends_with("running_mean") || b.name.ends_with("num_batches_tracked"))
      b.value.zero_();
    if (b.name.ends_with("running_var")) b.value.fill_(1);
  }
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
  Tensor y;
  if (is_training()) {
    const std::int64_t n = x.size(0);
    if (n < 2)
      fail<ShapeError>("batch_norm", "got a batch of ", n,
                       " while training, expected 2 or more. Hint: drop_last, or eval()");
    const auto [value, mean, deviation] = normalize(x, {0}, options_.eps);
    y = value;
    if (!statistics_frozen()) {
      const NoGradGuard guard;
      const double m =
          statistics_cumulative() ? 1 / (num_batches_tracked.item() + 1) : options_.momentum;
      const double unbiased = static_cast<double>(n) / static_cast<double>(n - 1);
      // Moves in double, where no square of a float overflows and no share m rounds to 0.
      const auto move = [m](const Tensor& running, const Tensor& batch) {
        const Tensor before = running.to(kFloat64);
        running.copy_(before + (batch.reshape(running.shape()) - before) * m);
      };
      move(running_mean, mean);
      move(running_var, minimum(square(deviation) * unbiased, largest(running_var.dtype())));
      num_batches_tracked.add_(1);
    }
  } else {
    y = (x - running_mean) * rsqrt(running_var + options_.eps);
  }
  return weight.defined() ? y * weight + bias : y;
}

}  // namespace descent::nn
