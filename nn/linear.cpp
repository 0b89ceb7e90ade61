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

/// K layers at once: x (N, in) or (K, N, in), w (K, out, in), b (K, out) → (K, N, out).
Tensor stacked(const Tensor& x, const Tensor& w, const Tensor& b) {
  const Tensor y = matmul(x, w.transpose(1, 2));
  return b.defined() ? y + b.unsqueeze(1) : y;
}

}  // namespace

Tensor Linear::forward(const Tensor& x) {
  return weight.dim() == 3 ? stacked(x, weight, bias) : linear(x, weight, bias);
}

Tensor Linear::forward_activated(const Tensor& x, Activation activation) {
  return run([&] {
    if (weight.dim() != 3) return linear_activation(x, weight, bias, activation);
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
