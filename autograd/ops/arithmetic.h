// Arithmetic, comparison, choice, and functions of one variable: element by element.
// The rules for shapes, types and errors stand in <descent/autograd/ops.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// @name Arithmetic
/// These work element by element, and shapes broadcast. Integers stay integers, except that
/// division gives a floating type. A number counts as a tensor of one element. It follows the rule
/// for numbers in <descent/core/dtype.h>.
/// @{
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& x);
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, Scalar b);
Tensor operator-(const Tensor& a, Scalar b);
Tensor operator*(const Tensor& a, Scalar b);
Tensor operator/(const Tensor& a, Scalar b);
Tensor operator+(Scalar a, const Tensor& b);
Tensor operator-(Scalar a, const Tensor& b);
Tensor operator*(Scalar a, const Tensor& b);
Tensor operator/(Scalar a, const Tensor& b);
Tensor operator-(const Tensor& x);
/// @}

/// @name Arithmetic in place
/// Writes the result to a and returns a, as Tensor::add_(), sub_(), mul_() and div_() do. The
/// result must have a's shape, and its type must not be wider than a's. While operators are
/// recorded, throws GraphError if a is a view, or a leaf that requires a gradient.
/// @{
const Tensor& operator+=(const Tensor& a, const Tensor& b);
const Tensor& operator-=(const Tensor& a, const Tensor& b);
const Tensor& operator*=(const Tensor& a, const Tensor& b);
const Tensor& operator/=(const Tensor& a, const Tensor& b);
const Tensor& operator+=(const Tensor& a, Scalar b);
const Tensor& operator-=(const Tensor& a, Scalar b);
const Tensor& operator*=(const Tensor& a, Scalar b);
const Tensor& operator/=(const Tensor& a, Scalar b);
/// @}

/// @name Powers
/// aᵇ, element by element; always floating. Where a = 0 and b >= 0, the gradient of b is 0.
/// @{
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, Scalar b);
Tensor pow(Scalar a, const Tensor& b);
/// @}

/// @name Larger and smaller
/// The larger (or smaller) of two elements. If one of the two elements is NaN, the result is NaN.
/// If both are equal, each gets half of the gradient.
/// @{
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, Scalar b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, Scalar b);
Tensor maximum(Scalar a, const Tensor& b);
Tensor minimum(Scalar a, const Tensor& b);
/// @}

/// @name Choice
/// The element of a where `condition` is true, else the element of b. All three broadcast. The
/// gradient goes to the element that was chosen. Throws DTypeError unless `condition` is bool.
///
///   where(x > 0, x, 0.01 * x)
/// @{
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor where(const Tensor& condition, Scalar a, const Tensor& b);
/// @}
/// Numbers by a condition, without a history: int64 if both are integers, bool if both are bool,
/// else float32.
Tensor where(const Tensor& condition, Scalar a, Scalar b);

/// @name Comparisons
/// Compares element by element in the promoted type; shapes broadcast. Returns bool, without a
/// history.
/// @{
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, Scalar b);
Tensor operator!=(const Tensor& a, Scalar b);
Tensor operator<(const Tensor& a, Scalar b);
Tensor operator<=(const Tensor& a, Scalar b);
Tensor operator>(const Tensor& a, Scalar b);
Tensor operator>=(const Tensor& a, Scalar b);
/// @}

/// @name Functions of one variable
/// These work element by element. The result has x's shape. Integers become float32, except in abs,
/// sign and square.
/// @{
Tensor abs(const Tensor& x);         ///< |x|; gradient 0 at 0
Tensor sign(const Tensor& x);        ///< −1, 0 or 1; NaN stays NaN; gradient 0
Tensor square(const Tensor& x);      ///< x²
Tensor sqrt(const Tensor& x);        ///< √x
Tensor rsqrt(const Tensor& x);       ///< 1/√x
Tensor reciprocal(const Tensor& x);  ///< 1/x
Tensor exp(const Tensor& x);         ///< eˣ
Tensor expm1(const Tensor& x);       ///< eˣ − 1, exact near 0
Tensor log(const Tensor& x);         ///< the natural logarithm
Tensor log1p(const Tensor& x);       ///< log(1 + x), exact near 0
Tensor sin(const Tensor& x);         ///< x in radians
Tensor cos(const Tensor& x);         ///< x in radians
Tensor erf(const Tensor& x);         ///< the error function, 2/√π · ∫₀ˣ exp(−t²) dt
Tensor log2(const Tensor& x);        ///< the logarithm to base 2
Tensor log10(const Tensor& x);       ///< the logarithm to base 10
Tensor sinh(const Tensor& x);        ///< (eˣ − e⁻ˣ)/2
Tensor cosh(const Tensor& x);        ///< (eˣ + e⁻ˣ)/2
Tensor atan(const Tensor& x);        ///< in (−π/2, π/2)
/// @}

/// @name Rounding
/// The nearest integer below, above, at all, and towards 0, of x's type. Halves round to even. The
/// gradient is 0.
/// @{
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);
Tensor trunc(const Tensor& x);
/// @}

/// The angle of the point (b, a), in (−π, π]; shapes broadcast. Integers become float32.
Tensor atan2(const Tensor& a, const Tensor& b);
/// log(eᵃ + eᵇ) without overflow; shapes broadcast.
Tensor logaddexp(const Tensor& a, const Tensor& b);
/// @name Linear interpolation
/// a + weight·(b − a); shapes broadcast. For finite a and b the result is b exactly where weight is
/// 1.
/// @{
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);
Tensor lerp(const Tensor& a, const Tensor& b, Scalar weight);
/// @}

/// @name Kinds of numbers
/// bool, without a history. An integer is finite.
/// @{
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
/// @}
/// x with `nan` in place of NaN, and `posinf` and `neginf` in place of infinities; without them,
/// the largest number of x's type and its negative. The gradient is 0 where x is replaced.
Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = {},
                  std::optional<double> neginf = {});

/// @name Logic
/// bool, without a history. Any number but 0 is true; shapes broadcast.
/// @{
Tensor logical_not(const Tensor& x);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
/// @}
/// @name Operators of logic
/// The same for tensors of bool: `(x > 0) & !(y > 1)`. Throws DTypeError for another type. There is
/// no && and no ||, which would not spare the second operand.
/// @{
Tensor operator!(const Tensor& x);
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
/// @}

/// Limits x to [low, high], element by element; an absent limit is infinite. The gradient passes
/// where low <= x <= high. Throws ValueError if low > high.
Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high = {});

/// True if the shapes agree and |a − b| <= atol + rtol·|b| for every element. NaN equals nothing.
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8);

}  // namespace descent
