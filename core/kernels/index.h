// Selecting and scattering by index, without gradients. Indices are int64. An index out of range, a
// negative one included, throws ValueError, which names the index.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// Slices index[0], index[1], … of x along dim; index has shape (n,).
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// Zeros of `shape`, to which src is added: slice i of src to slice index[i], along dim.
Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& src);
/// out[i][j] = x[i][index[i][j]], for two dimensions and dim = 1; shaped like index.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// A copy of x, to which src is added at the places that gather() would read, in the order of src.
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// A 1 at each label, else 0: (…) → (…, classes). classes = −1 takes as many as the labels need.
/// Throws ValueError for a label outside [0, classes).
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype);
/// Joins tensors along dim. Their other extents agree; types are promoted.
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim);

}  // namespace descent::kernel
