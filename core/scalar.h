// Scalar: a C++ number that stands in place of a tensor, such as the 2 in `x * 2`. A Scalar
// remembers whether the number was a bool, an integer or a floating number.
#pragma once

#include <descent/core/dtype.h>

#include <concepts>
#include <cstdint>
#include <limits>

namespace descent {

namespace detail {
/// x without its fraction. Beyond int64 the nearest int64; 0 for NaN.
constexpr std::int64_t truncated(double x) {
  if (x != x) return 0;
  return x < -0x1p63   ? std::numeric_limits<std::int64_t>::min()
         : x >= 0x1p63 ? std::numeric_limits<std::int64_t>::max()
                       : static_cast<std::int64_t>(x);
}
/// True if int64 has the number i.
template <std::integral Integer>
constexpr bool fits_int64(Integer i) {
  const auto n = static_cast<std::int64_t>(i);
  constexpr bool is_signed = Integer(-1) < Integer(1);
  return static_cast<Integer>(n) == i && (is_signed || n >= 0);
}
}  // namespace detail

/// A number of any C++ type; see the top of this file. An integer beyond int64 counts as floating.
class Scalar {
 public:
  /// @name From any number
  /// @{
  Scalar(bool b) : dtype_(kBool), int_(b), double_(b) {}
  template <std::integral Integer>
  Scalar(Integer i)
      : dtype_(detail::fits_int64(i) ? kInt64 : kFloat64),
        int_(static_cast<std::int64_t>(i)),
        double_(static_cast<double>(i)) {}
  template <std::floating_point Real>
  Scalar(Real x) : dtype_(kFloat64), int_(0), double_(static_cast<double>(x)) {}
  /// @}

  /// bool, int64 or float64.
  DType dtype() const { return dtype_; }
  /// True for a bool or an integer.
  bool is_integral() const { return dtype_ != kFloat64; }
  /// The number as a double; integers beyond 2⁵³ are rounded.
  double to_double() const { return double_; }
  /// The number as an integer, a floating number by detail::truncated().
  std::int64_t to_int() const { return is_integral() ? int_ : detail::truncated(double_); }

 private:
  DType dtype_;
  std::int64_t int_;
  double double_;
};

/// The element type in which a tensor of type t meets the number s (see dtype.h).
inline DType promote(DType t, const Scalar& s) {
  if (s.is_integral()) return promote(t, s.dtype());
  return promote_to_floating(t);
}

}  // namespace descent
