// Scalar: a C++ number given where a tensor could stand. It remembers whether it was an integer.
#pragma once

#include <descent/core/dtype.h>

#include <concepts>

namespace descent {

class Scalar {
 public:
  Scalar(bool b) : dtype_(kBool), int_(b), double_(b) {}
  template <std::integral Integer>
  Scalar(Integer i)
      : dtype_(kInt64), int_(static_cast<std::int64_t>(i)), double_(static_cast<double>(i)) {}
  template <std::floating_point Real>
  Scalar(Real x) : dtype_(kFloat64), int_(0), double_(static_cast<double>(x)) {}

  DType dtype() const { return dtype_; }
  bool is_integral() const { return dtype_ != kFloat64; }
  double to_double() const { return double_; }
  /// The integer given, or the floating number truncated.
  std::int64_t to_int() const { return is_integral() ? int_ : static_cast<std::int64_t>(double_); }

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
