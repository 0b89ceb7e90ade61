// Elementwise kernels, without gradients: one line each in pointwise.cpp.
//
// Functions of real numbers turn integers into float32; the rest keep int64.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);      ///< always floating
Tensor pow(const Tensor& a, const Tensor& b);      ///< always floating
Tensor maximum(const Tensor& a, const Tensor& b);  ///< NaN when either is
Tensor minimum(const Tensor& a, const Tensor& b);

Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);

Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
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

/// `above` where x > 0, `at` where x = 0, `below` elsewhere: the slope of every piecewise function.
Tensor step(const Tensor& x, double below, double at, double above);
/// 1 where low <= x <= high, else 0; an absent limit is infinite.
Tensor inside(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high);
/// a where the bool condition holds, else b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

/// True when no element is NaN or infinite; always true for integers.
bool all_finite(const Tensor& x);
/// Of n elements in a row, on this thread.
bool all_finite(const void* p, std::int64_t n, DType dtype);

}  // namespace descent::kernel
