// Elementwise kernels, without gradients. Each kernel computes the value of the operator with the
// same name in <descent/autograd/ops/arithmetic.h>. Each kernel is one line in pointwise.cpp.
// Functions of real numbers turn integers into float32; the others keep int64. Activations stand in
// activation.h.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// @name Arithmetic
/// Two tensors, which broadcast.
/// @{
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);      ///< always floating
Tensor pow(const Tensor& a, const Tensor& b);      ///< always floating
Tensor maximum(const Tensor& a, const Tensor& b);  ///< NaN if either operand is NaN
Tensor minimum(const Tensor& a, const Tensor& b);

/// @}

/// @name Comparisons
/// Two tensors, which broadcast; the result is bool.
/// @{
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);

/// @}

/// @name Functions of one variable
/// @{
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);
Tensor trunc(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor atan2(const Tensor& a, const Tensor& b);
Tensor logaddexp(const Tensor& a, const Tensor& b);
Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high);

/// @}

/// @name Normalising. These compute in double, and give the type of x.
/// `about`, `factor` and `deviation` are float64, and broadcast to x's shape.
/// @{
Tensor centred(const Tensor& x, const Tensor& about, const Tensor& factor);  // (x − about)·factor
Tensor minus_scaled(const Tensor& x, const Tensor& y, const Tensor& factor);  // x − y·factor
Tensor inverse_deviation(const Tensor& deviation, double eps);  // 1/√(deviation² + eps), float64
/// @}

/// a where the bool condition holds, else b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

/// How large elements are: `large` if all are finite and the square of one is not.
enum class Magnitude { ordinary, large, not_finite };
/// How large the largest element is; always ordinary for integers. Remembers the answer `ordinary`
/// as long as nobody writes to x. Throws GraphError inside compile().
Magnitude magnitude(const Tensor& x);
/// How large the largest of n elements is that lie in a row. Runs on the calling thread.
Magnitude magnitude(const void* p, std::int64_t n, DType dtype);
/// True if no element is NaN or infinite; always true for integers.
inline bool all_finite(const Tensor& x) { return magnitude(x) != Magnitude::not_finite; }

}  // namespace descent::kernel
