// Selecting and scattering by index.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/index.h>
#include <descent/core/launch.h>

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

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  return record("scatter", kernel::scatter(x, dim, index, src), {x, src},
                [dim, index = Saved(index)](const Tensor& g, Need need) {
                  return Grads(
                      need[0] ? scatter(g, dim, index, zeros(index->shape(), g.dtype())) : Tensor(),
                      need[1] ? gather(g, dim, index) : Tensor());
                });
}

Tensor index_put(const Tensor& x, const std::vector<Tensor>& index, const Tensor& values,
                 bool accumulate) {
  const auto known = static_cast<std::int64_t>(index.size());
  if (index.empty() || known > x.dim())
    fail<ShapeError>("index_put", "got ", known, " indices for a tensor of shape ", x.shape(),
                     ", expected 1 to ", x.dim());
  if (is_floating(values.dtype()) && !is_floating(x.dtype()))
    fail<DTypeError>("index_put", "got values of ", values.dtype(), " for a tensor of ", x.dtype(),
                     ", expected its type. Hint: convert one of them with .to()");
  detail::check_may_read("index_put");
  // The place of each slice, if the first dimensions are one.
  Tensor place = zeros({}, kInt64);
  std::int64_t slices = 1;
  for (std::int64_t d = 0; d < known; ++d) {
    const Tensor& i = index[static_cast<std::size_t>(d)];
    if (i.dtype() != kInt64)
      fail<DTypeError>("index_put", "got an index of ", i.dtype(), ", expected int64");
    if (any(logical_or(i < 0, i >= x.size(d))).item<bool>())
      fail<ValueError>("index_put", "got an index out of [0, ", x.size(d), ") for dimension ", d,
                       ", expected one in it");
    place = place * x.size(d) + i;
    slices *= x.size(d);
  }
  Shape shape = place.shape();
  for (std::int64_t d = known; d < x.dim(); ++d) shape.push_back(x.size(d));
  const std::int64_t n = place.numel(), inner = x.numel() / std::max<std::int64_t>(slices, 1);
  const Tensor rows = x.reshape({slices, inner}),
               new_rows = values.to(x.dtype()).expand(shape).reshape({n, inner}),
               places = place.reshape({n, 1}).expand({n, inner});
  return (accumulate ? scatter_add(rows, 0, places, new_rows) : scatter(rows, 0, places, new_rows))
      .reshape(x.shape());
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (mask.dtype() != kBool)
    fail<DTypeError>("masked_select", "got a mask of ", mask.dtype(), ", expected bool");
  const Shape shape = broadcast_shapes("masked_select", x.shape(), mask.shape());
  return index_select(x.expand(shape).reshape({-1}), 0, kernel::nonzero(mask.expand(shape)));
}

Tensor index(const Tensor& x, const Tensor& index) {
  if (index.dtype() == kInt64) {
    Shape shape = index.shape();
    for (std::int64_t d = 1; d < x.dim(); ++d) shape.push_back(x.size(d));
    return index_select(x, 0, index.reshape({-1})).reshape(shape);
  }
  if (index.dtype() != kBool)
    fail<DTypeError>("index", "got an index of ", index.dtype(), ", expected bool or int64");
  bool fits = index.dim() >= 1 && index.dim() <= x.dim();
  for (std::int64_t d = 0; fits && d < index.dim(); ++d) fits = index.size(d) == x.size(d);
  if (!fits)
    fail<ShapeError>("index", "got a mask of shape ", index.shape(), " for a tensor of shape ",
                     x.shape(), ", expected the shape of its first dimensions");
  return index_select(x.flatten(0, index.dim() - 1), 0, kernel::nonzero(index));
}

Tensor nonzero(const Tensor& x) {
  const Tensor flat = kernel::nonzero(x);
  const Shape strides = x.shape().contiguous_strides();
  const auto* at = flat.data_ptr<std::int64_t>();
  const Tensor out = empty({flat.numel(), x.dim()}, kInt64);
  auto* to = out.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < flat.numel(); ++i)
    for (int d = 0; d < x.shape().rank(); ++d) *to++ = at[i] / strides[d] % x.shape()[d];
  return out;
}

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  return kernel::argsort(x, dim, descending);
}

Sorted sort(const Tensor& x, std::int64_t dim, bool descending) {
  const Tensor order = argsort(x, dim, descending);
  return {x.dim() == 0 ? x.clone() : gather(x, dim, order), order};
}

Sorted topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest) {
  const std::int64_t n = x.dim() == 0 ? 1 : x.size(dim), least = x.dim() == 0 ? 1 : 0;
  if (k < least || k > n)
    fail<ValueError>("topk", "got k = ", k, " for ", n, " elements, expected ", least, " to ", n);
  if (x.dim() == 0) return {x.clone(), zeros({}, kInt64)};
  const Tensor order = argsort(x, dim, largest).narrow(dim, 0, k).contiguous();
  return {gather(x, dim, order), order};
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  return where(mask, full({}, value, x.dtype()), x);
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  return kernel::one_hot(labels, classes, dtype);
}

}  // namespace descent
