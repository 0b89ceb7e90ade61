#include <descent/autograd/ops.h>
#include <descent/nn/standardize.h>

namespace descent::nn {

Standardize::Standardize(const Tensor& m, const Tensor& s)
    : Module(to_text("Standardize ", m.numel())) {
  if (m.dim() != 1 || !(m.shape() == s.shape()))
    fail<ShapeError>("Standardize", "got ", m.shape(), " and ", s.shape(), ", expected (D) twice");
  if (!all((s > 0) & isfinite(s) & isfinite(m)).item<bool>())
    fail<ValueError>(
        "Standardize",
        "got a mean or a deviation that is no number, or a deviation that is not above 0");
  mean = register_buffer("mean", m.detach().clone());
  std = register_buffer("std", s.detach().clone());
}

Tensor Standardize::forward(const Tensor& x) {
  if (x.dim() < 1 || x.size(-1) != mean.numel())
    fail<ShapeError>("Standardize", "got ", x.shape(), ", expected (…, ", mean.numel(), ")");
  return (x - mean) / std;
}

}  // namespace descent::nn
