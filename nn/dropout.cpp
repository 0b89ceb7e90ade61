#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/dropout.h>

namespace descent::nn {

Dropout::Dropout(double p) : Module(to_text("Dropout p=", p)), p_(p) {
  if (!(p >= 0 && p <= 1))
    fail<ValueError>("Dropout", "got p = ", p, ", expected a probability in [0, 1]");
}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  if (p_ == 1) return x * 0;
  return x * bernoulli(x.shape(), 1 - p_, x.dtype()) * (1 / (1 - p_));
}

}  // namespace descent::nn
