#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/activations.h>
#include <descent/nn/extent.h>

namespace descent::nn {

PReLU::PReLU(std::int64_t features, double start) : Module(to_text("PReLU ", features)) {
  detail::positive("PReLU", "features", features);
  weight = register_parameter("weight", full({features}, start));
}

Tensor PReLU::forward(const Tensor& x) {
  const std::int64_t n = weight.numel();
  if (n > 1 && (x.dim() < 2 || x.size(1) != n))
    fail<ShapeError>("PReLU", "got ", x.shape(), ", expected (N, ", n, ", …)");
  Shape shape = Shape::filled(static_cast<int>(std::max<std::int64_t>(x.dim(), 1)), 1);
  if (n > 1) shape[1] = n;
  return where(x > 0, x, x * weight.reshape(shape));
}

}  // namespace descent::nn
