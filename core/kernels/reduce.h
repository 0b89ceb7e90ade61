// Reductions, scans and row-wise softmax, without gradients. Sums go by blocks, whose size does not
// depend on the number of threads, and blocks are combined in order. Shapes and errors are those of
// <descent/autograd/ops/reduce.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// dims as a set: bit d stands for dimension d. An empty list gives all dimensions. Throws
/// ValueError for a dimension out of range or given twice.
unsigned dim_set(std::string_view op, const Dims& dims, int rank);
/// The shape without the dimensions in `set`, or with 1 in their place if keepdim is true.
Shape reduced_shape(const Shape& shape, unsigned set, bool keepdim);

/// @name Reductions and scans
/// @{
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim);  ///< int64 for integers and bool
Tensor max(const Tensor& x, const Dims& dims, bool keepdim);  ///< NaN if there is one
Tensor min(const Tensor& x, const Dims& dims, bool keepdim);
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim);  ///< int64; the first of equals
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim);
Tensor cumsum(const Tensor& x, std::int64_t dim, bool reverse);
/// x summed down to `shape`, which broadcasts to x's: the gradient of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

Tensor softmax(const Tensor& x, std::int64_t dim);  ///< shifted by the row's maximum
Tensor log_softmax(const Tensor& x, std::int64_t dim);
/// @}

/// @name Softmax: gradients in one pass
/// Along the last dimension: the gradient of x, from the gradient g of the output y.
/// @{
Tensor softmax_grad(const Tensor& g, const Tensor& y);      // y·(g − Σ g·y)
Tensor log_softmax_grad(const Tensor& g, const Tensor& y);  // g − eʸ·Σ g
/// @}

/// The Euclidean norm of all elements, summed in double; NaN or infinite if an element is. If
/// squares leave double's range, the sum is taken again of scaled numbers: only the norm itself can
/// overflow.
double norm2(const Tensor& x);

/// The Euclidean norm of numbers that come one by one, with the same care for double's range.
class Norm {
 public:
  void add(double x);    ///< one more number
  double value() const;  ///< the norm of all numbers so far

 private:
  double plain_ = 0, shrunk_ = 0, grown_ = 0;  // sums of squares; two of scaled numbers
};

}  // namespace descent::kernel
