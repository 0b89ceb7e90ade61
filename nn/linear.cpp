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

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

Tensor Linear::forward_activated(const Tensor& x, Activation activation) {
  return run([&] { return linear_activation(x, weight, bias, activation); });
}

}  // namespace descent::nn
