#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/nn/extent.h>
#include <descent/nn/init.h>
#include <descent/nn/linear.h>

#include <cmath>

namespace descent::nn {

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias)
    : Module(to_text("Linear ", in, " -> ", out, with_bias ? "" : ", no bias")) {
  detail::positive("Linear", "in", in);
  detail::positive("Linear", "out", out);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weight = register_parameter("weight", empty({in, out}).t());
  init::uniform_(weight, -bound, bound);
  if (!with_bias) return;
  bias = register_parameter("bias", empty({out}));
  init::uniform_(bias, -bound, bound);
}

namespace {

/// K layers at once: x (in), (N, in) or (K, N, in), w (K, out, in) or (out, in), b (K, out) or
/// (out) → (K, N, out), without N for x (in).
Tensor stacked(const Tensor& x, const Tensor& w, const Tensor& b) {
  const bool alone = x.dim() == 1;
  Tensor y = matmul(alone ? x.unsqueeze(0) : x, w.transpose(-2, -1));
  if (b.defined()) y = y + (b.dim() == 2 ? b.unsqueeze(1) : b);
  return alone ? y.squeeze(-2) : y;
}
bool is_stacked(const Linear& layer) {
  return layer.weight.dim() == 3 || (layer.bias.defined() && layer.bias.dim() == 2);
}

}  // namespace

Tensor Linear::forward(const Tensor& x) {
  return is_stacked(*this) ? stacked(x, weight, bias) : linear(x, weight, bias);
}

Tensor Linear::forward_activated(const Tensor& x, Activation activation) {
  return run([&] {
    if (!is_stacked(*this)) return linear_activation(x, weight, bias, activation);
    const Tensor y = stacked(x, weight, bias);
    switch (activation) {
      case Activation::relu:
        return relu(y);
      case Activation::tanh:
        return tanh(y);
      case Activation::sigmoid:
        return sigmoid(y);
      default:
        return y;
    }
  });
}

}  // namespace descent::nn
