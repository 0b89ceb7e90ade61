// Shape: views of a tensor, and joining and cutting tensors.
// The rules for shapes, types and errors stand in <descent/autograd/ops.h>.
#pragma once

#include <descent/core/tensor.h>

#include <vector>

namespace descent {

/// @name Views
/// The members of Tensor as functions; see <descent/core/tensor.h>. The result shares x's storage.
/// @{
Tensor reshape(const Tensor& x, const Shape& shape);  ///< if no view has this shape, copies
Tensor flatten(const Tensor& x, std::int64_t first = 0, std::int64_t last = -1);
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor permute(const Tensor& x, const Dims& order);
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
Tensor expand(const Tensor& x, const Shape& shape);
/// @}

/// Joins tensors along dimension dim. Types are promoted. Throws ValueError for an empty list. If
/// the tensors differ in an extent other than dim, throws ShapeError.
///
///   cat({zeros({2, 3}), ones({1, 3})})  // (3, 3)
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
/// Joins tensors of one shape along a new dimension dim. Throws ValueError for an empty list,
/// ShapeError for shapes that differ.
///
///   stack({zeros({3}), ones({3})})  // (2, 3)
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
/// Cuts x along dim into pieces of `size`; the last one may be smaller. The pieces are views.
/// Throws ValueError for a size below 1.
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim = 0);
/// Cuts x along dim into pieces of the given sizes. The pieces are views. Throws ValueError unless
/// the sizes add up to x.size(dim).
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes,
                          std::int64_t dim = 0);
/// Cuts x along dim into at most `chunks` pieces of equal size; the last one may be smaller. The
/// pieces are views. Throws ValueError for chunks below 1.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);

/// x, times[d] times along each dimension d. If `times` has more entries than x has dimensions, the
/// first ones add dimensions. Throws ShapeError if it has fewer, or a negative one.
///
///   repeat(tensor({1, 2}), {2, 2})  // {{1, 2, 1, 2}, {1, 2, 1, 2}}
Tensor repeat(const Tensor& x, const Shape& times);
/// Does what repeat() does; if `times` has fewer entries than x has dimensions, the first ones are
/// repeated once.
Tensor tile(const Tensor& x, const Shape& times);
/// The elements moved by `shift` places along dim; what leaves at one end comes in at the other.
Tensor roll(const Tensor& x, std::int64_t shift, std::int64_t dim);
/// The elements in reverse order along each of these dimensions. A copy.
Tensor flip(const Tensor& x, const Dims& dims);
/// Grids of coordinates: for vectors (n), (m), … tensors of shape (n, m, …), the k-th of which
/// repeats vector k. Views. As NumPy's and PyTorch's indexing "ij".
std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors);

/// @name Triangles
/// x (…, n, m) with 0 above (below) its k-th diagonal; 0 is the main one, 1 lies above it.
/// @{
Tensor tril(const Tensor& x, std::int64_t k = 0);
Tensor triu(const Tensor& x, std::int64_t k = 0);
/// @}
/// The k-th diagonal of a matrix (n, m); or the matrix that has this vector (n) there, and 0
/// elsewhere. Throws ShapeError for other dimensions.
Tensor diag(const Tensor& x, std::int64_t k = 0);
/// The sum of the main diagonal of a matrix: ().
Tensor trace(const Tensor& x);

}  // namespace descent
