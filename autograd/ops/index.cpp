// Selecting and scattering by index.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/index.h>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::record;
using detail::Saved;

namespace {
Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& src) {
  return record("index_add", kernel::index_add(shape, dim, index, src), {src},
                [dim, index = Saved(index)](const Tensor& g, Need) {
                  return Grads(index_select(g, dim, index));
                });
}
}  // namespace

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  return record("index_select", kernel::index_select(x, dim, index), {x},
                [shape = x.shape(), dim, index = Saved(index)](const Tensor& g, Need) {
                  return Grads(index_add(shape, dim, index, g));
                });
}

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  return record("gather", kernel::gather(x, dim, index), {x},
                [shape = x.shape(), dim, index = Saved(index)](const Tensor& g, Need) {
                  return Grads(scatter_add(zeros(shape, g.dtype()), dim, index, g));
                });
}

Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  return record("scatter_add", kernel::scatter_add(x, dim, index, src), {x, src},
                [dim, index = Saved(index)](const Tensor& g, Need need) {
                  return Grads(g, need[1] ? gather(g, dim, index) : Tensor());
                });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  return where(mask, full({}, value, x.dtype()), x);
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  return kernel::one_hot(labels, classes, dtype);
}

}  // namespace descent
