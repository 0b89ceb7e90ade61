// Means, deviations and Euclidean norms in double, without gradients.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// The mean of floating numbers over dims, in double, with 1 in place of the reduced dimensions.
Tensor wide_mean(const Tensor& x, const Dims& dims);
/// √Σ(x − about)² over dims, in double, with 1 in place of the reduced dimensions. `about` has the
/// same shape and type as the result; if it is undefined, it counts as 0. Only the root itself can
/// leave the range of double.
Tensor lengths(const Tensor& x, const Dims& dims, const Tensor& about = {});
/// √(Σ(x − mean)²/n) over dims, like lengths(); n is the number of elements of a sum.
Tensor deviation(const Tensor& x, const Dims& dims, const Tensor& mean);

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
