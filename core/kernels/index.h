// Selecting and scattering by index, without gradients. Indices are int64; one out of range is a
// ValueError that names it. Negative indices are not wrapped: they are usually a mistake.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// Slices index[0], index[1], … of x along dim; index has shape (n,).
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// A tensor of zeros of `shape` to whose slices index[i] along dim the slices i of src are added.
Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& src);
/// out[i][j] = x[i][index[i][j]] for dim 1, and so on; shaped like index.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// A copy of x to which src is added at the places gather would read, in order.
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// (…, classes) with a 1 at each label. Throws ValueError for a label outside [0, classes).
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype);
/// Joins along dim; all other extents agree, types are promoted.
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim);

}  // namespace descent::kernel
