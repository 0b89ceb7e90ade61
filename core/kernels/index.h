// Selecting and scattering by index, without gradients. Indices are int64. An index out of range, a
// negative one included, throws ValueError, which names the index.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// Slices index[0], index[1], … of x along dim; index has shape (n,).
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// Starts with zeros of the shape `shape`. Adds slice i of src to slice index[i] of the result,
/// along dim.
Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& src);
/// Picks elements along dim: out[i][j] = x[i][index[i][j]], for two dimensions and dim = 1. The
/// result has the shape of index.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// A copy of x. Each element of src, in the order of src, is added at the place that gather() would
/// read.
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// A copy of x. Each element of src, in the order of src, is written to the place that gather()
/// would read.
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// The indices that sort x along dim: int64, of x's shape. Equal elements keep their order; NaN
/// comes last, and first if `descending`.
Tensor argsort(const Tensor& x, std::int64_t dim, bool descending);
/// The positions (n) of the elements that are not 0, in row-major order. Throws GraphError inside
/// compile().
Tensor nonzero(const Tensor& x);
/// For each label a row with a 1 at the label and 0 elsewhere: (…) → (…, classes). If classes is
/// −1, the number of classes is the largest label plus 1. Throws ValueError for a label outside [0,
/// classes).
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype);
/// Joins tensors along dim. All extents but dim must agree. Types are promoted.
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim);

}  // namespace descent::kernel
