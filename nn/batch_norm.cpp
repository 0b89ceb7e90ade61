#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/batch_norm.h>
#include <descent/nn/extent.h>

namespace descent::nn {

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
  Tensor mean = running_mean, var = running_var;
  if (is_training()) {
    const std::int64_t n = x.size(0);
    if (n < 2)
      fail<ShapeError>("batch_norm", "got a batch of ", n,
                       " while training, expected 2 or more. Hint: drop_last, or eval()");
    mean = descent::mean(x, {0});
    var = descent::mean(square(x - mean), {0});
    if (!statistics_frozen()) {
      const NoGradGuard guard;
      const double m =
          statistics_cumulative() ? 1 / (num_batches_tracked.item() + 1) : options_.momentum;
      const double unbiased = static_cast<double>(n) / static_cast<double>(n - 1);
      running_mean.copy_(running_mean * (1 - m) + mean * m);
      running_var.copy_(running_var * (1 - m) + var * (m * unbiased));
      num_batches_tracked.add_(1);
    }
  }
  Tensor y = (x - mean) * rsqrt(var + options_.eps);
  return weight.defined() ? y * weight + bias : y;
}

}  // namespace descent::nn
