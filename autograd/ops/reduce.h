// Reductions and scans: one value from many.
// The rules for shapes, types and errors stand in <descent/autograd/ops.h>.
//
// `dims` are the dimensions that are reduced; an empty list means all. The result lacks the reduced
// dimensions. If keepdim is true, it has an extent of 1 in place of each reduced dimension.
//
//   sum(x)          // (2, 3) → ()
//   sum(x, 0)       // (2, 3) → (3,)
//   sum(x, 0, true) // (2, 3) → (1, 3)
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// Σx. Integers and bool give int64. The sum of no elements is 0.
Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Σx/n. Integers become float32.
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Σ(x − mean)² / (n − correction). A correction of 1 gives the unbiased estimate. A correction of
/// 0 gives the variance of the elements themselves. NaN if n <= correction.
Tensor var(const Tensor& x, const Dims& dims = {}, std::int64_t correction = 1,
           bool keepdim = false);
/// √var. Not called std: after `using namespace descent;` that name would be ambiguous with the
/// namespace std.
Tensor stddev(const Tensor& x, const Dims& dims = {}, std::int64_t correction = 1,
              bool keepdim = false);
/// The product of the elements. The gradient is exact also where elements are 0. The product of no
/// elements is 1.
Tensor prod(const Tensor& x, const Dims& dims = {}, bool keepdim = false);

/// @name Any and all
/// True if any element is not 0, or if all are not 0; NaN counts as not 0. bool, without a history.
/// Any of no elements is false, and all of them is true.
/// @{
Tensor any(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor all(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// @}

/// @name Largest and smallest
/// The largest (or smallest) element. If an element is NaN, the result is NaN. Equal elements share
/// the gradient evenly, as in torch.amax. Throws ShapeError if there are no elements.
/// @{
Tensor max(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor min(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// @}

/// @name Where the largest and smallest stand
/// The index of the largest (or smallest) element along dimension dim, int64. If several elements
/// are equally large, their first index is returned. Without dim, the tensor is flattened first and
/// the index counts in row-major order. Throws ShapeError if there are no elements.
/// @{
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
/// @}

/// log Σ eˣ, shifted by the maximum, so that nothing overflows. Integers become float32.
Tensor logsumexp(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// The p-norm (Σ|x|ᵖ)^(1/p). p = ∞ gives the largest |x|. p = 0 gives the number of elements that
/// are not 0. Where the norm is 0, its gradient is 0. Integers become float32. Throws ValueError
/// for a negative p.
Tensor norm(const Tensor& x, double p = 2, const Dims& dims = {}, bool keepdim = false);
/// Running sums along dimension dim: element i of the result is the sum of elements 0 to i of x.
/// The result has x's shape.
Tensor cumsum(const Tensor& x, std::int64_t dim);
/// Sums x over the dimensions along which `shape` would be broadcast to x's shape. The result has
/// the shape `shape`. It is the gradient of broadcasting. Throws ShapeError unless `shape`
/// broadcasts to x's shape.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace descent
