// Reductions, scans and row-wise softmax, without gradients. A sum is computed from sums of blocks,
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
/// The mean of floating numbers over dims, in double, with 1 in place of the reduced dimensions.
Tensor wide_mean(const Tensor& x, const Dims& dims);
/// √Σ(x − about)² over dims, in double, with 1 in place of the reduced dimensions. `about` has the
/// same shape and type as the result; if it is undefined, it counts as 0. Only the root itself can
/// leave the range of double.
Tensor lengths(const Tensor& x, const Dims& dims, const Tensor& about = {});
/// √(Σ(x − mean)²/n) over dims, like lengths(); n is the number of elements of a sum.
Tensor deviation(const Tensor& x, const Dims& dims, const Tensor& mean);

Tensor softmax(const Tensor& x, std::int64_t dim);  ///< shifted by the row's maximum
Tensor log_softmax(const Tensor& x, std::int64_t dim);
/// @}

/// @name Softmax: gradients in one pass
/// The gradient of x, for a softmax along the last dimension. g is the gradient of the output y.
/// @{
Tensor softmax_grad(const Tensor& g, const Tensor& y);      // y·(g − Σ g·y)
Tensor log_softmax_grad(const Tensor& g, const Tensor& y);  // g − eʸ·Σ g
/// @}

/// The Euclidean norm of all elements, summed in double; NaN or infinite if an element is. If
/// squares leave the range of double, the numbers are scaled and summed again. Only the norm itself
/// can therefore overflow.
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
