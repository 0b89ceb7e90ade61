#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/nn/batch_norm_update.h>
#include <descent/nn/init.h>
#include <descent/nn/layers.h>

#include <cmath>

namespace descent::nn {
namespace {

std::int64_t positive(const char* layer, const char* what, std::int64_t n) {
  if (n < 1) fail<ValueError>(layer, "got ", what, " = ", n, ", expected 1 or more");
  return n;
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias)
    : Module(to_text("Linear ", in, " -> ", out, with_bias ? "" : ", no bias")) {
  positive("Linear", "in", in);
  positive("Linear", "out", out);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weight = register_parameter("weight", empty({in, out}).t());
  init::uniform_(weight, -bound, bound);
  if (!with_bias) return;
  bias = register_parameter("bias", empty({out}));
  init::uniform_(bias, -bound, bound);
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

Tensor Linear::forward_activated(const Tensor& x, Activation activation) {
  return run([&] { return linear_activation(x, weight, bias, activation); });
}

Dropout::Dropout(double p) : Module(to_text("Dropout p=", p)), p_(p) {
  if (!(p >= 0 && p <= 1))
    fail<ValueError>("Dropout", "got p = ", p, ", expected a probability in [0, 1]");
}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  if (p_ == 1) return x * 0;
  return x * bernoulli(x.shape(), 1 - p_, x.dtype()) * (1 / (1 - p_));
}

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
  positive("BatchNorm1d", "features", features);
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

LayerNorm::LayerNorm(std::int64_t features, double eps, bool affine)
    : Module(to_text("LayerNorm ", features)),
      features_(positive("LayerNorm", "features", features)),
      eps_(eps) {
  if (!(eps >= 0)) fail<ValueError>("LayerNorm", "got eps = ", eps, ", expected 0 or more");
  if (!affine) return;
  weight = register_parameter("weight", ones({features}));
  bias = register_parameter("bias", zeros({features}));
}

Tensor LayerNorm::forward(const Tensor& x) {
  if (x.dim() == 0 || x.size(-1) != features_)
    fail<ShapeError>("layer_norm", "got ", x.shape(), ", expected (…, ", features_, ")");
  const Tensor centred = x - mean(x, {-1}, true);
  const Tensor y = centred * rsqrt(mean(square(centred), {-1}, true) + eps_);
  return weight.defined() ? y * weight + bias : y;
}

Embedding::Embedding(std::int64_t count, std::int64_t dim)
    : Module(to_text("Embedding ", count, " x ", dim)) {
  positive("Embedding", "count", count);
  positive("Embedding", "dim", dim);
  weight = register_parameter("weight", empty({count, dim}));
  init::normal_(weight);
}

Tensor Embedding::forward(const Tensor& index) {
  if (index.dtype() != kInt64)
    fail<DTypeError>("embedding", "got indices of dtype ", index.dtype(), ", expected int64");
  Shape shape = index.shape();
  shape.push_back(weight.size(1));
  return index_select(weight, 0, index.reshape({-1})).reshape(shape);
}

}  // namespace descent::nn
