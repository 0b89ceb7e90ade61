// Reductions and scans, without gradients. A sum is computed from sums of blocks,
// in the order of the blocks. The size of a block does not depend on the number of threads. Shapes
// and errors are those of <descent/autograd/ops/reduce.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// Turns dims into a set of bits: bit d stands for dimension d. An empty list gives the set of all
/// dimensions. Throws ValueError for a dimension that is out of range or occurs twice.
unsigned dim_set(std::string_view op, const Dims& dims, int rank);
/// The shape without the dimensions in `set`, or with 1 in their place if keepdim is true.
Shape reduced_shape(const Shape& shape, unsigned set, bool keepdim);

/// @name Reductions and scans
/// @{
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim);  ///< int64 for integers and bool
Tensor max(const Tensor& x, const Dims& dims, bool keepdim);  ///< NaN if an element is NaN
Tensor min(const Tensor& x, const Dims& dims, bool keepdim);
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim);  ///< int64; of equals the first
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim);
Tensor cumsum(const Tensor& x, std::int64_t dim, bool reverse);
/// Sums x over the dimensions along which `shape` would be broadcast to x's shape. It is the
/// gradient of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// @}

}  // namespace descent::kernel
