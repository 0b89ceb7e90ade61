// Selecting and scattering by index. Indices are int64 and lie in [0, extent). An index out of
// range throws ValueError. A negative index throws ValueError too, because it is usually a mistake.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// Picks slices of x along dim: slice i of the result is slice index[i] of x. index: (n), int64.
/// Returns x's shape with n along dim. Gradient: the gradient of each slice is added to the
/// gradient of x, where the slice came from. Throws ValueError for an index out of range.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// Picks one element of x for each position of `index`, along dimension dim.
/// For two dimensions and dim = 1: out[i][j] = x[i][index[i][j]].
/// x: any shape and dtype. index: int64, with as many dimensions as x, and no longer than x in any
/// dimension but dim. Returns index's shape and x's dtype.
/// Gradient: the gradient of each element is added to the gradient of x, where the element came
/// from. Throws ShapeError if the numbers of dimensions differ, ValueError for an index out of
/// range.
///
///   gather(tensor({{1., 2.}, {3., 4.}}), 1, tensor({{1}, {0}}))  // {{2}, {3}}
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// A copy of x to which src is added at the places that gather() would read. For two dimensions and
/// dim = 1: out[i][index[i][j]] += src[i][j]. index and src have the same shape, with as many
/// dimensions as x. Throws ShapeError for other shapes, ValueError for an index out of range.
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// A copy of x with `value` where mask is true; mask is bool and broadcasts. Throws DTypeError for
/// another mask.
Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
/// For each label a row with a 1 at the label: int64 (…) → (…, classes). If classes is −1, the
/// number of classes is the largest label plus 1. Throws ValueError for a label outside [0,
/// classes).
///
///   one_hot(tensor({0, 2}), 3)  // {{1, 0, 0}, {0, 0, 1}}
Tensor one_hot(const Tensor& labels, std::int64_t classes = -1, DType dtype = kFloat32);

}  // namespace descent
