// Reductions, scans and row-wise softmax, without gradients. Sums are taken in blocks whose size
// does not depend on the number of threads, and combined in order.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// dims as a bit set of non-negative dimensions; all of them for an empty list. Throws ValueError
/// for a dimension out of range or given twice.
unsigned dim_set(std::string_view op, const Dims& dims, int rank);
/// x's shape with the dimensions in `set` removed, or kept as 1.
Shape reduced_shape(const Shape& shape, unsigned set, bool keepdim);

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

/// The gradients of both along the last dimension, from that of the output y.
Tensor softmax_grad(const Tensor& g, const Tensor& y);      // y·(g − Σ g·y)
Tensor log_softmax_grad(const Tensor& g, const Tensor& y);  // g − eʸ·Σ g

/// Euclidean norm of all elements, accumulated in double; NaN or infinite if an element is. Where
/// squares leave double's range they are summed again, scaled: only the norm itself can overflow.
double norm2(const Tensor& x);

/// The same of numbers given one by one.
class Norm {
 public:
  void add(double x);
  double value() const;

 private:
  double plain_ = 0, shrunk_ = 0, grown_ = 0;  // sums of squares, of numbers as they are or scaled
};

}  // namespace descent::kernel
