#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/nn/extent.h>
#include <descent/nn/layer_norm.h>

namespace descent::nn {

LayerNorm::LayerNorm(std::int64_t features, double eps, bool affine)
    : Module(to_text("LayerNorm ", features)),
      features_(detail::positive("LayerNorm", "features", features)),
      eps_(eps) {
  if (!(eps >= 0)) fail<ValueError>("LayerNorm", "got eps = ", eps, ", expected 0 or more");
  if (!affine) return;
  weight = register_parameter("weight", ones({features}));
  bias = register_parameter("bias", zeros({features}));
}

Tensor LayerNorm::forward(const Tensor& x) {
  if (x.dim() == 0 || x.size(-1) != features_)
    fail<ShapeError>("layer_norm", "got ", x.shape(), ", expected (…, ", features_, ")");
  const Tensor y = normalize(x, {-1}, eps_).value;
  return weight.defined() ? y * weight + bias : y;
}

}  // namespace descent::nn
