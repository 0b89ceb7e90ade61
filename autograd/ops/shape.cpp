// Views, and joining and cutting tensors. A view shares its base's storage. The gradient of a view
// goes back to the base through the inverse view.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/index.h>
#include <descent/core/launch.h>

#include <algorithm>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::record;

namespace {

/// `shape`, where an extent of -1 is replaced so that the number of elements is x's.
Shape complete_shape(const char* op, const Tensor& x, const Shape& shape) {
  Shape out = shape;
  std::int64_t known = 1;
  int open = -1;
  bool overflows = false;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] >= 0) {
      overflows |= __builtin_mul_overflow(known, shape[d], &known);
    } else if (shape[d] == -1 && open < 0) {
      open = d;
    } else {
      fail<ShapeError>(op, "got ", shape, ", expected extents of 0 or more and at most one -1");
    }
  }
  if (open >= 0 && known > 0 && x.numel() % known == 0) out[open] = x.numel() / known;
  if (overflows || out.numel() != x.numel() || (open >= 0 && out[open] < 0))
    fail<ShapeError>(op, "got ", x.shape(), " to be seen as ", shape, ", expected ", x.numel(),
                     " elements");
  return out;
}

Tensor reshaped(const Tensor& x, const Shape& shape, const Shape& strides, const Tensor& base) {
  return record("reshape", kernel::view_of(base, shape, strides, 0), {x},
                [from = x.shape()](const Tensor& g, Need) { return Grads(g.reshape(from)); });
}

/// The gradient of a view that leaves elements out: zeros of `shape`, with g where the view lies.
Tensor embed(const Tensor& g, const Shape& shape, int dim, std::int64_t begin, std::int64_t step) {
  Tensor wide = zeros(shape, g.dtype());
  Shape strides = wide.strides();
  const std::int64_t offset = begin * strides[dim];
  strides[dim] *= step;
  kernel::copy(g, kernel::view_of(wide, g.shape(), strides, offset));
  const std::int64_t n = g.shape()[dim], end = n > 0 ? begin + (n - 1) * step + 1 : begin;
  return record("embed", wide, {g}, [dim, begin, end, step](const Tensor& gg, Need) {
    return Grads(gg.slice(dim, begin, end, step));
  });
}

}  // namespace

Tensor Tensor::reshape(const Shape& wanted) const {
  const Shape to = complete_shape("reshape", *this, wanted);
  if (to == shape()) return *this;
  if (const auto strides = kernel::view_strides(*this, to))
    return reshaped(*this, to, *strides, *this);
  const Tensor copy = kernel::contiguous(*this);
  return reshaped(*this, to, to.contiguous_strides(), copy);
}

Tensor Tensor::view(const Shape& wanted) const {
  const Shape to = complete_shape("view", *this, wanted);
  const auto strides = kernel::view_strides(*this, to);
  if (!strides)
    fail<ShapeError>("view", "got ", shape(), " with strides ", this->strides(), " to be seen as ",
                     to, ", expected a layout that allows it. Hint: use reshape(), which copies");
  return reshaped(*this, to, *strides, *this);
}

Tensor Tensor::flatten(std::int64_t first, std::int64_t last) const {
  const int rank = shape().rank();
  const int a = normalize_dim("flatten", first, rank), b = normalize_dim("flatten", last, rank);
  if (a > b)
    fail<ValueError>("flatten", "got dimensions ", first, " to ", last, ", expected first <= last");
  if (rank == 0) return reshape({1});
  Shape to;
  std::int64_t merged = 1;
  for (int d = 0; d < rank; ++d) {
    if (d < a || d > b) {
      to.push_back(shape()[d]);
    } else {
      merged *= shape()[d];
      if (d == b) to.push_back(merged);
    }
  }
  return reshape(to);
}

Tensor Tensor::permute(const Dims& order) const {
  const int rank = shape().rank();
  if (order.rank() != rank)
    fail<ValueError>("permute", "got ", order.rank(), " dimensions for shape ", shape(),
                     ", expected ", rank);
  Shape to, steps;
  Dims inverse = order;
  unsigned seen = 0;
  for (int i = 0; i < rank; ++i) {
    const int d = normalize_dim("permute", order[i], rank);
    if ((seen >> d & 1) != 0)
      fail<ValueError>("permute", "got dimension ", d, " twice, expected each once");
    seen |= 1u << d;
    to.push_back(shape()[d]);
    steps.push_back(strides()[d]);
    inverse[d] = i;
  }
  return record("permute", kernel::view_of(*this, to, steps, 0), {*this},
                [inverse](const Tensor& g, Need) { return Grads(g.permute(inverse)); });
}

Tensor Tensor::transpose(std::int64_t x, std::int64_t y) const {
  const int a = normalize_dim("transpose", x, shape().rank()),
            b = normalize_dim("transpose", y, shape().rank());
  Shape to = shape(), steps = strides();
  if (a != b) {
    std::swap(to[a], to[b]);
    std::swap(steps[a], steps[b]);
  }
  return record("transpose", kernel::view_of(*this, to, steps, 0), {*this},
                [a, b](const Tensor& g, Need) { return Grads(g.transpose(a, b)); });
}

Tensor Tensor::t() const {
  if (dim() > 2)
    fail<ShapeError>("t", "got ", shape(),
                     ", expected at most two dimensions. Hint: transpose(-1, -2)");
  return dim() < 2 ? *this : transpose(0, 1);
}

Tensor Tensor::squeeze() const {
  Shape to;
  for (const std::int64_t n : shape())
    if (n != 1) to.push_back(n);
  return reshape(to);
}

Tensor Tensor::squeeze(std::int64_t dim) const {
  const int d = normalize_dim("squeeze", dim, shape().rank());
  if (shape().rank() == 0 || shape()[d] != 1) return *this;
  Shape to = shape(), steps = strides();
  to.erase(d);
  steps.erase(d);
  return reshaped(*this, to, steps, *this);
}

Tensor Tensor::unsqueeze(std::int64_t dim) const {
  const int d = normalize_dim("unsqueeze", dim, shape().rank() + 1);
  Shape to = shape(), steps = strides();
  steps.insert(d, d < to.rank() ? to[d] * steps[d] : 1);
  to.insert(d, 1);
  return reshaped(*this, to, steps, *this);
}

Tensor Tensor::expand(const Shape& wanted) const {
  Shape to = wanted;
  const int shift = to.rank() - shape().rank();
  for (int d = 0; d < to.rank(); ++d) {
    if (to[d] == -1 && d >= shift) to[d] = shape()[d - shift];
    if (shift < 0 || to[d] < 0 ||
        (d >= shift && shape()[d - shift] != 1 && shape()[d - shift] != to[d]))
      fail<ShapeError>("expand", "got ", shape(), " to expand to ", wanted,
                       ", expected only extents of 1 to change");
  }
  if (shift < 0)
    fail<ShapeError>("expand", "got ", shape(), " to expand to ", wanted,
                     ", expected no fewer dimensions");
  if (to == shape()) return *this;
  return record("expand", kernel::broadcast_to(*this, to), {*this},
                [from = shape()](const Tensor& g, Need) { return Grads(sum_to(g, from)); });
}

Tensor Tensor::slice(std::int64_t dim, std::int64_t begin, std::int64_t end,
                     std::int64_t step) const {
  const int d = normalize_dim("slice", dim, shape().rank());
  if (shape().rank() == 0) fail<ShapeError>("slice", "got a scalar, expected a dimension to cut");
  if (step < 1) fail<ValueError>("slice", "got step ", step, ", expected 1 or more");
  const std::int64_t n = shape()[d];
  // As in Python, a negative index counts from the end. The result is limited to [0, n].
  const auto clip = [n](std::int64_t i) {
    if (i < 0) i += n;
    return i < 0 ? 0 : i > n ? n : i;
  };
  begin = clip(begin);
  end = clip(end);
  step = std::min(step, n + 1);  // a longer step takes the first index alone, too
  Shape to = shape(), steps = strides();
  to[d] = end > begin ? (end - begin - 1) / step + 1 : 0;
  const std::int64_t offset = begin * steps[d];
  steps[d] *= step;
  return record("slice", kernel::view_of(*this, to, steps, offset), {*this},
                [from = shape(), d, begin, step](const Tensor& g, Need) {
                  return Grads(embed(g, from, d, begin, step));
                });
}

Tensor Tensor::narrow(std::int64_t dim, std::int64_t begin, std::int64_t length) const {
  const std::int64_t n = size(dim);
  if (begin < 0 || length < 0 || begin > n - length)
    fail<ValueError>("narrow", "got ", length, " from ", begin, " along dimension ", dim,
                     " of shape ", shape(), ", expected a range within [0, ", n, "]");
  return slice(dim, begin, begin + length);
}

Tensor Tensor::select(std::int64_t dim, std::int64_t index) const {
  const int d = normalize_dim("select", dim, shape().rank());
  if (shape().rank() == 0)
    fail<ShapeError>("select", "got a scalar, expected a dimension to index. Hint: use item()");
  const std::int64_t n = shape()[d];
  if (index < -n || index >= n)
    fail<ValueError>("select", "got index ", index, " for dimension ", d, " of shape ", shape(),
                     n > 0 ? to_text(", expected one in [", -n, ", ", n - 1, "]")
                           : ", expected a dimension with elements");
  const std::int64_t at = index < 0 ? index + n : index;
  return slice(d, at, at + 1).squeeze(d);
}

Tensor reshape(const Tensor& x, const Shape& shape) { return x.reshape(shape); }
Tensor flatten(const Tensor& x, std::int64_t first, std::int64_t last) {
  return x.flatten(first, last);
}
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) { return x.transpose(a, b); }
Tensor permute(const Tensor& x, const Dims& order) { return x.permute(order); }
Tensor squeeze(const Tensor& x) { return x.squeeze(); }
Tensor squeeze(const Tensor& x, std::int64_t dim) { return x.squeeze(dim); }
Tensor unsqueeze(const Tensor& x, std::int64_t dim) { return x.unsqueeze(dim); }
Tensor expand(const Tensor& x, const Shape& shape) { return x.expand(shape); }

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim) {
  Tensor value = kernel::cat(tensors, dim);
  const int d = normalize_dim("cat", dim, value.shape().rank());
  std::vector<std::int64_t> sizes;
  for (const Tensor& t : tensors) sizes.push_back(t.shape()[d]);
  return detail::record_many("cat", value, tensors, [sizes, d](const Tensor& g, Need) {
    return Grads(split(g, sizes, d));
  });
}

Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim) {
  std::vector<Tensor> layers;
  for (const Tensor& t : tensors) {
    if (!(t.shape() == tensors[0].shape()))
      fail<ShapeError>("stack", "got ", tensors[0].shape(), " and ", t.shape(),
                       ", expected equal shapes");
    layers.push_back(t.unsqueeze(dim));
  }
  if (layers.empty()) fail<ValueError>("stack", "got no tensors, expected at least one");
  return cat(layers, normalize_dim("stack", dim, layers[0].shape().rank()));
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes,
                          std::int64_t dim) {
  std::int64_t total = 0;
  for (const std::int64_t n : sizes) total += n;
  if (total != x.size(dim))
    fail<ValueError>("split", "got sizes that add up to ", total, " for dimension ", dim,
                     " of shape ", x.shape(), ", expected ", x.size(dim));
  std::vector<Tensor> pieces;
  std::int64_t at = 0;
  for (const std::int64_t n : sizes) {
    pieces.push_back(x.narrow(dim, at, n));
    at += n;
  }
  return pieces;
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim) {
  if (size < 1) fail<ValueError>("split", "got size ", size, ", expected 1 or more");
  const std::int64_t n = x.size(dim);
  std::vector<std::int64_t> sizes;
  for (std::int64_t at = 0; at < n; at += size) sizes.push_back(size < n - at ? size : n - at);
  if (n == 0) sizes.push_back(0);
  return split(x, sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  if (chunks < 1) fail<ValueError>("chunk", "got ", chunks, " chunks, expected 1 or more");
  const std::int64_t size = (x.size(dim) + chunks - 1) / chunks;
  return split(x, size > 0 ? size : 1, dim);
}

// ---- copies and triangles, of the operators above ----

Tensor repeat(const Tensor& x, const Shape& times) {
  if (times.rank() < x.dim())
    fail<ShapeError>("repeat", "got ", times, " for a tensor of shape ", x.shape(),
                     ", expected at least one entry for each dimension");
  Shape shape = Shape::filled(times.rank(), 1);
  const int added = times.rank() - static_cast<int>(x.dim());
  for (int d = added; d < times.rank(); ++d) shape[d] = x.shape()[d - added];
  Tensor y = x.reshape(shape);
  for (int d = 0; d < times.rank(); ++d) {
    constexpr std::int64_t kMost = std::int64_t{1} << 40;
    if (times[d] < 0 || times[d] > kMost)
      fail<ShapeError>("repeat", "got ", times, ", expected numbers of 0 to 2^40");
    if (times[d] == 0) y = y.narrow(d, 0, 0);
    if (times[d] <= 1) continue;
    // The copies are an extent of their own, which joins this one.
    Shape apart = Shape::filled(times.rank() + 1, 1), joined = y.shape();
    for (int i = 0; i < times.rank(); ++i) apart[i + (i >= d)] = y.shape()[i];
    apart[d] = times[d];
    joined[d] *= times[d];
    y = y.unsqueeze(d).expand(apart).reshape(joined);
  }
  return y.is_same(x) || y.shares_storage(x) ? y.clone() : y;
}

Tensor tile(const Tensor& x, const Shape& times) {
  const int rank = std::max(static_cast<int>(x.dim()), times.rank());
  Shape all = Shape::filled(rank, 1);
  for (int d = 0; d < times.rank(); ++d) all[rank - times.rank() + d] = times[d];
  return repeat(x, all);
}

Tensor roll(const Tensor& x, std::int64_t shift, std::int64_t dim) {
  const int d = normalize_dim("roll", dim, x.shape().rank());
  const std::int64_t n = x.shape()[d];
  if (n == 0) return x.clone();
  const std::int64_t by = (shift % n + n) % n;
  return cat({x.narrow(d, n - by, by), x.narrow(d, 0, n - by)}, d);
}

Tensor flip(const Tensor& x, const Dims& dims) {
  Tensor y = x;
  for (int i = 0; i < dims.rank(); ++i) {
    const int d = normalize_dim("flip", dims[i], x.shape().rank());
    const std::int64_t n = x.shape()[d];
    y = index_select(y, d, detail::constant([n] { return (n - 1) - arange(n); }));
  }
  return y.is_same(x) ? x.clone() : y;
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors) {
  Shape shape = Shape::filled(static_cast<int>(vectors.size()), 1);
  for (std::size_t k = 0; k < vectors.size(); ++k) {
    if (vectors[k].dim() != 1)
      fail<ShapeError>("meshgrid", "got ", vectors[k].shape(), ", expected vectors (n,)");
    shape[static_cast<int>(k)] = vectors[k].numel();
  }
  std::vector<Tensor> grids;
  for (std::size_t k = 0; k < vectors.size(); ++k) {
    Shape own = Shape::filled(static_cast<int>(vectors.size()), 1);
    own[static_cast<int>(k)] = vectors[k].numel();
    grids.push_back(vectors[k].reshape(own).expand(shape));
  }
  return grids;
}

namespace {
/// For each element of a matrix (n, m), its column minus its row.
Tensor diagonals(const char* op, const Tensor& x) {
  if (x.dim() < 2) fail<ShapeError>(op, "got ", x.shape(), ", expected at least two dimensions");
  return detail::constant(
      [n = x.size(-2), m = x.size(-1)] { return arange(m).unsqueeze(0) - arange(n).unsqueeze(1); });
}
}  // namespace

Tensor tril(const Tensor& x, std::int64_t k) {
  return where(diagonals("tril", x) <= k, x, zeros({}, x.dtype()));
}
Tensor triu(const Tensor& x, std::int64_t k) {
  return where(diagonals("triu", x) >= k, x, zeros({}, x.dtype()));
}

Tensor diag(const Tensor& x, std::int64_t k) {
  if (x.dim() != 1 && x.dim() != 2)
    fail<ShapeError>("diag", "got ", x.shape(), ", expected a vector or a matrix");
  constexpr std::int64_t kMost = std::int64_t{1} << 31;  // of which a matrix is far too large
  if (k < -kMost || k > kMost)
    fail<ValueError>("diag", "got the diagonal ", k, ", expected one from -2^31 to 2^31");
  const std::int64_t side = x.size(0) + std::abs(k), rows = x.dim() == 1 ? side : x.size(0),
                     columns = x.dim() == 1 ? side : x.size(1);
  const std::int64_t n =
      std::max<std::int64_t>(0, k >= 0 ? std::min(rows, columns - k) : std::min(rows + k, columns));
  const std::int64_t first = k >= 0 ? k : -k * columns;
  const Tensor places =
      detail::constant([=] { return arange(n) * (columns + 1) + std::min(first, rows * columns); });
  if (x.dim() == 2) return index_select(x.reshape({-1}), 0, places);
  return scatter(zeros({rows * columns}, x.dtype()), 0, places, x).reshape({rows, columns});
}

Tensor trace(const Tensor& x) {
  if (x.dim() != 2) fail<ShapeError>("trace", "got ", x.shape(), ", expected a matrix");
  return sum(diag(x));
}

}  // namespace descent
