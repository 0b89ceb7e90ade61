// Elementary functions of double that a compiler can vectorise: no branch, no call, no table.
//
// Over its whole range, each function is within 4 ulp of the true value, and the normal
// distribution within 5; tests/core/math_test.cpp checks it. All functions handle infinities, NaN
// and subnormal numbers. Integers are added, shifted and turned into doubles by way of their bits,
// because not every instruction set can do more. The coefficients come from
// tests/reference/fit_doubles.py.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace descent::math {

/// The normal distribution Φ(x) and its density.
template <class T>
struct Normal {
  T cdf, density;
};

namespace detail {
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kRounder = 0x1.8p52;  // x + kRounder has the integer next to x in its bits
inline constexpr double kLn2Head = 0x1.62e42fefap-1,
                        kLn2Tail = 0x1.cf79abc9e3b3ap-40;  // head·n is exact

/// c0 + c1·x + c2·x² + …
template <class T, class... C>
[[gnu::always_inline]] inline T polynomial(T x, T c0, C... c) {
  if constexpr (sizeof...(c) == 0)
    return c0;
  else
    return c0 + x * polynomial(x, c...);
}
/// 2^n · x for an exponent n that stands at its place in the bits.
[[gnu::always_inline]] inline double times_power(double x, std::uint64_t exponent) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) + exponent);
}

/// Splits e^x into (1 + tail) · 2^n with 1 + tail in [√½, √2].
struct DoubleExpParts {
  double tail;             // to half an ulp of its own
  std::uint64_t exponent;  // n, at its place in a double's bits
};
[[gnu::always_inline]] inline DoubleExpParts exp_tail(double r, double shifted) {
  const double tail =
      r + r * r *
              polynomial(r, 0.5000000000000001, 0.16666666666666669, 0.041666666666623824,
                         0.008333333333330039, 0.0013888888917367081, 0.00019841269863171557,
                         2.4801521057868204e-05, 2.7557268276905696e-06, 2.7620201591031547e-07,
                         2.5100472505694996e-08);
  return {tail, std::bit_cast<std::uint64_t>(shifted) << 52};
}
[[gnu::always_inline]] inline DoubleExpParts exp_parts(double x) {
  const double shifted = x * 1.4426950408889634 + kRounder, n = shifted - kRounder;
  return exp_tail((x - n * kLn2Head) - n * kLn2Tail, shifted);
}
/// The same for x + low, where low is much smaller than x.
[[gnu::always_inline]] inline DoubleExpParts exp_parts(double x, double low) {
  const double shifted = x * 1.4426950408889634 + kRounder, n = shifted - kRounder;
  return exp_tail((x - n * kLn2Head) + (low - n * kLn2Tail), shifted);
}
/// e^x from its parts, for x > −746. Below −708 it may be subnormal: first computes 2^128 times it.
[[gnu::always_inline]] inline double joined(DoubleExpParts e, bool small) {
  e.exponent += small ? std::uint64_t{128} << 52 : 0;
  return times_power(1 + e.tail, e.exponent) * (small ? 0x1p-128 : 1.0);
}
}  // namespace detail

[[gnu::always_inline]] inline double exp(double x) {
  const double y = detail::joined(detail::exp_parts(x > -746 ? x : -746), x < -708);
  return x <= 709.782712893384 ? y : x + detail::kInfinity;  // the last finite result; NaN stays
}
[[gnu::always_inline]] inline double exp_below_zero(double x) { return exp(x); }

[[gnu::always_inline]] inline double expm1(double x) {
  const detail::DoubleExpParts e = detail::exp_parts(x > -50 ? x : -50);
  const double half = detail::times_power(0.5, e.exponent);  // 2^(n−1): 2^n may be infinite
  const double far = 2 * (half * e.tail + (half - 0.5));
  const double y = std::fabs(x) < 0.34 ? e.tail : far;
  return x <= 709.782712893384 ? std::copysign(y, x) : x + detail::kInfinity;
}

[[gnu::always_inline]] inline double log(double x) {
  const bool subnormal = x < 0x1p-1022;
  const double y = subnormal ? x * 0x1p54 : x;
  // Counting from √½ splits y into 2^e · (1 + f) with √½ <= 1 + f < √2.
  constexpr std::uint64_t kRoot = 0x3fe6a09e667f3bcd, kOne = 0x3ff0000000000000;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(y) + (kOne - kRoot);
  const double e = std::bit_cast<double>((bits >> 52) | 0x4330000000000000) -
                   (subnormal ? 0x1p52 + 1077 : 0x1p52 + 1023);
  const double f = std::bit_cast<double>((bits & 0x000fffffffffffff) + kRoot) - 1;
  const double tail =
      f * f * f *
          detail::polynomial(f, 0.33333333333333337, -0.2499999999999993, 0.19999999999993223,
                             -0.16666666666697305, 0.1428571428759174, -0.12499999997109267,
                             0.11111110909841072, -0.0999999999631727, 0.09090919875998202,
                             -0.08333345056413204, 0.0769198812013375, -0.0714223204915847,
                             0.06671985555271291, -0.06265031869518063, 0.05837018351464999,
                             -0.05368280388050548, 0.0537187789066478, -0.06129561980727906,
                             0.0566642324205218, -0.025061228095282464) +
      e * detail::kLn2Tail - 0.5 * f * f;
  const double r = f + tail + e * detail::kLn2Head;
  return x > 0    ? (x == detail::kInfinity ? x : r)
         : x == 0 ? -detail::kInfinity
                  : std::numeric_limits<double>::quiet_NaN();
}

/// (e^2a − 1)/(e^2a + 1)
[[gnu::always_inline]] inline double tanh(double x) {
  const double a = std::fabs(x);
  const detail::DoubleExpParts e = detail::exp_parts(2 * (a > 22 ? 22 : a));  // tanh 22 rounds to 1
  const double scale = detail::times_power(1, e.exponent), m = scale * e.tail + (scale - 1);
  return std::copysign(m / (m + 2), x);
}

/// (m + m/(m + 1))/2 with m = e^|x| − 1. sinh and cosh compute a quarter of a large e^|x|, because
/// e^|x| itself may be infinite where they are not.
[[gnu::always_inline]] inline double sinh(double x) {
  const double a = std::fabs(x);
  const detail::DoubleExpParts e = detail::exp_parts(a > 710.6 ? 710.6 : a);
  const double quarter = detail::times_power(0.25, e.exponent);
  const bool near = a < 0.34;
  const double m = near ? e.tail : quarter * e.tail + (quarter - 0.25);
  const double y = (m + m / (m * (near ? 1.0 : 4.0) + 1)) * (near ? 0.5 : 2.0);
  return std::copysign(y, x);
}
[[gnu::always_inline]] inline double cosh(double x) {
  const double a = std::fabs(x);
  const detail::DoubleExpParts e = detail::exp_parts(a > 710.6 ? 710.6 : a);
  const double quarter = detail::times_power(0.25, e.exponent) * (1 + e.tail);
  return 2 * (quarter + 0.0625 / quarter);
}

namespace detail {
inline constexpr double kHalfPi = 0x1.921fb54442d18p+0, kHalfPiTail = 0x1.1a62633145c07p-54;
/// atan(a) for a >= 0: of a, of (a − 1)/(a + 1) beside 1, and of −1/a beyond.
[[gnu::always_inline]] inline double atan_of(double a) {
  const bool steep = a > 2.414213562373095, middle = a > 0.41421356237309503;
  const double t = (steep ? -1.0 : middle ? a - 1 : a) / (steep ? a : middle ? a + 1 : 1.0);
  const double s = t * t, quarters = steep ? 1.0 : middle ? 0.5 : 0.0;
  const double y =
      t + t * s *
              polynomial(s, -0.3333333333333333, 0.1999999999999548, -0.14285714284657894,
                         0.11111111014561013, -0.09090904549884611, 0.07692182535116648,
                         -0.06664502215671447, 0.058580687568615106, -0.05085030492810941,
                         0.03921955253255129, -0.019162068915902573);
  return quarters * kHalfPi + (y + quarters * kHalfPiTail);
}
}  // namespace detail

[[gnu::always_inline]] inline double atan(double x) {
  return std::copysign(detail::atan_of(std::fabs(x)), x);
}
/// The angle of the point (x, y): the arctangent of the smaller part over the larger one, counted
/// from the axis beside it.
[[gnu::always_inline]] inline double atan2(double y, double x) {
  const double height = std::fabs(y), width = std::fabs(x);
  const bool steep = height > width, left = std::copysign(1.0, x) < 0;
  const double less = steep ? width : height, more = steep ? height : width;
  const double ratio = less == more ? (more == 0 ? 0.0 : 1.0) : less / more;  // of infinities too
  const double angle = detail::atan_of(ratio), quarters = steep ? 1.0 : left ? 2.0 : 0.0;
  const double turned = quarters * detail::kHalfPi +
                        ((steep != left ? -angle : angle) + quarters * detail::kHalfPiTail);
  const double turn = std::copysign(turned, y);
  return x == x && y == y ? turn : x + y;
}

namespace detail {
/// Φ(−t) and the density beside t >= 0. exp(−t²/2) keeps its digits, because the square is computed
/// in two parts. The factor Φ(−t)·exp(t²/2)·(t + 1) is almost constant.
[[gnu::always_inline]] inline Normal<double> normal_tail(double t) {
  const double head =
      std::bit_cast<double>(std::bit_cast<std::uint64_t>(t) & 0xfffffffff8000000);  // 26 bits
  const double square = -0.5 * head * head, rest = -0.5 * (t - head) * (t + head);
  const double e = joined(exp_parts(square, rest), square < -708);
  const double z = (t - 5) / (t + 5);
  const double factor = polynomial(
      z, 0.46151582985003775, -0.0915522818340088, 0.031030368425963302, 0.010002352385204666,
      -0.0264010429662991, 0.0245369632444707, -0.015170415402394525, 0.006522000656127449,
      -0.001676072349875896, 7.791691714454077e-06, 0.00018233420908215345, -5.360803806076496e-05,
      -9.896494215338162e-06, 9.061195990128827e-06, -6.889778076996533e-08, -1.309967950433074e-06,
      1.2463515594076186e-07, 1.9888255901952865e-07, -2.1908287414594575e-08,
      -3.200829653668055e-08, 3.518345739885862e-10, 4.007359865288215e-09, 7.618890365905165e-10);
  return {e * (factor / (t + 1)), 0.39894228040143267794 * e};
}
}  // namespace detail

[[gnu::always_inline]] inline Normal<double> normal(double x) {
  const double a = std::fabs(x);
  const Normal<double> n = detail::normal_tail(a > 38.6 ? 38.6 : a);  // Φ(−38.6) rounds to 0
  return {x < 0 ? n.cdf : 1 - n.cdf, n.density};
}

[[gnu::always_inline]] inline double erf(double x) {
  const double a = std::fabs(x), s = x * x;
  const double near = x + x * detail::polynomial(s, 0.12837916709551256, -0.37612638903183543,
                                                 0.11283791670945006, -0.02686617064323777,
                                                 0.0052239776071164225, -0.0008548325975389692,
                                                 0.00012055294904839707, -1.492473690741966e-05,
                                                 1.6447424703317362e-06, -1.6208483801871705e-07,
                                                 1.3720064546777686e-08, -7.795898827002142e-10);
  const double t = 1.4142135623730951 * (a > 6 ? 6 : a);  // erf 6 rounds to 1
  return a < 1 ? near : std::copysign(1 - 2 * detail::normal_tail(t).cdf, x);
}

/// sin x and cos x for |x| <= kTurnsMost. x − n·π/2 is computed with π/2 in four parts, and three
/// of the products are exact, so that x beside a multiple of π/2 loses no digits.
inline constexpr double kTurnsMost = 1e6;
namespace detail {
[[gnu::always_inline]] inline double sine_within(double x, std::uint64_t quarters) {
  const double shifted = x * 0.6366197723675814 + kRounder, n = shifted - kRounder;
  const double r = (((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2ep-69) -
                   n * 0x1.b839a252049c1p-104;
  const double s = r * r;
  const double sine = r + r * (s * polynomial(s, -0.16666666666666666, 0.008333333333330936,
                                              -0.00019841269836740532, 2.7557316093198404e-06,
                                              -2.5051129896450185e-08, 1.5917988979397435e-10));
  const double cosine =
      1 - (0.5 * s - s * s *
                         polynomial(s, 0.041666666666666664, -0.0013888888888887389,
                                    2.48015872987544e-05, -2.755731726587808e-07,
                                    2.087614504941318e-09, -1.138254464534925e-11));
  const std::uint64_t q = std::bit_cast<std::uint64_t>(shifted) + quarters;
  const double y = (q & 1) != 0 ? cosine : sine;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(y) ^ ((q & 2) << 62));
}
}  // namespace detail

}  // namespace descent::math
