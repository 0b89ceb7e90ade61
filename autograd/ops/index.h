// Selecting and scattering by index. Indices are int64 and lie in [0, extent). An index out of
// range throws ValueError. A negative index throws ValueError too, because it is usually a mistake.
#pragma once

#include <descent/core/tensor.h>

#include <vector>

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
/// A copy of x in which src stands at the places that gather() would read. For two dimensions and
/// dim = 1: out[i][index[i][j]] = src[i][j]. Where a place comes twice, the last counts, and the
/// gradient of src is right only if none does. Throws as scatter_add().
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
/// A copy of x in which x[index[0]][index[1]]… is replaced by `values`, or with `accumulate` added
/// to. The indices are int64 and broadcast together, to (n, …); `values` broadcasts to that shape
/// and the dimensions of x that have no index. Throws ValueError for an index out of range,
/// DTypeError for floating values and an x of integers, and GraphError inside compile().
///
///   index_put(x, {rows, columns}, values)
Tensor index_put(const Tensor& x, const std::vector<Tensor>& index, const Tensor& values,
                 bool accumulate = false);
/// The elements of x where mask is true, in row-major order: (n). mask is bool; x and mask
/// broadcast. Throws GraphError inside compile().
Tensor masked_select(const Tensor& x, const Tensor& mask);
/// What x has at an index along its first dimensions. A bool mask selects slices, in order: a mask
/// of shape (N) or (N, M) of the first dimension or two. An int64 index of any shape picks slices
/// of the first dimension: x (N, …) and index (k, …) give (k, …, …). Throws DTypeError for another
/// index, GraphError for a mask inside compile().
///
///   index(x, x.select(1, 0) > 0)  // the rows whose first element is positive
Tensor index(const Tensor& x, const Tensor& index);
/// The positions of the elements that are not 0: (n, x.dim()), int64, in row-major order. Throws
/// GraphError inside compile().
Tensor nonzero(const Tensor& x);

/// Elements in order, and where they stood.
struct Sorted {
  Tensor values;   ///< differentiable
  Tensor indices;  ///< int64
};
/// Sorts along dim. Equal elements keep their order; NaN is larger than any number.
///
///   auto [values, indices] = sort(x, 1, true);
Sorted sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// The indices that sort() gives.
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// The k largest elements along dim, or the smallest, in order. Throws ValueError for k out of
/// range.
Sorted topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);
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
