// Powers, and logarithms in two parts, which powers need: an error of ln x is multiplied by y,
// which may be 700. Written once for float and double, without a branch, a call or a table.
//
// Over their whole range, the functions are within 1.5 ulp of the true value;
// tests/core/math_test.cpp checks it. Special numbers are those of the C library: pow(x, 0) =
// pow(1, y) = 1, even for NaN. The coefficients come from tests/reference/fit_doubles.py.
#pragma once

#include <descent/core/kernels/math.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace descent::math {
namespace detail {

/// How a T lies in memory, and the numbers that follow from it.
template <class T>
struct Format {
  static constexpr bool kWide = sizeof(T) == 8;
  using Bits = std::conditional_t<kWide, std::uint64_t, std::uint32_t>;
  static constexpr int kPlaces = kWide ? 52 : 23;  // of the fraction
  static constexpr Bits kOne = std::bit_cast<Bits>(T(1)),
                        kRoot = kWide ? Bits(0x3fe6a09e667f3bcd) : Bits(0x3f3504f3),  // √½
      kFraction = (Bits{1} << kPlaces) - 1, kLowHalf = (Bits{1} << (kWide ? 27 : 12)) - 1;
  static constexpr T kWhole = T(Bits{1} << kPlaces);  // larger numbers are whole
  static constexpr T kBias = kWide ? T(1023) : T(127);
  static constexpr T kLn2Head = kWide ? T(detail::kLn2Head) : T(kLn2High),
                     kLn2Tail = kWide ? T(detail::kLn2Tail) : T(kLn2Low);
  static constexpr T kLeastExp = kWide ? T(-746) : T(-104),   // e^x rounds to 0
      kMostExp = kWide ? T(710) : T(89),                      // e^x is infinite
      kMostOrdinary = kWide ? T(707) : T(86);                 // e^x and e^-x are normal
  static constexpr T kHuge = kWide ? T(0x1p900) : T(0x1p90);  // x^kHuge is 0, 1 or ∞
};

/// x without the lower half of its digits. The product of two such numbers is exact.
template <class T>
[[gnu::always_inline]] inline T head(T x) {
  return std::bit_cast<T>(std::bit_cast<typename Format<T>::Bits>(x) & ~Format<T>::kLowHalf);
}
/// x without its last digit. A product that goes through here cannot be fused with a sum. In a·b +
/// separate(c·d), the compiler has one way to fuse only, so that loops around the same formula give
/// the same bits.
template <class T>
[[gnu::always_inline]] inline T separate(T x) {
  using Bits = typename Format<T>::Bits;
  return std::bit_cast<T>(std::bit_cast<Bits>(x) & ~Bits{1});
}
/// The sum of a number with half the digits of T, and a much smaller one.
template <class T>
struct Parts {
  T head, tail;
};
/// A constant in parts.
template <class T>
constexpr Parts<T> parts(long double c) {
  using Bits = typename Format<T>::Bits;
  const T h = std::bit_cast<T>(static_cast<Bits>(std::bit_cast<Bits>(T(c)) & ~Format<T>::kLowHalf));
  return {h, T(c - static_cast<long double>(h))};
}

/// ln x for 0 < x < ∞, with half as many digits again as T has. x = 2^e · m, and with
/// s = (m − 1)/(m + 1), ln m = ⅔·s·(3 + s² + ⅗·s⁴ + …).
template <class T>
[[gnu::always_inline]] inline Parts<T> log_parts(T x) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr T kLift = T(4) * F::kWhole;
  const bool subnormal = x < std::numeric_limits<T>::min();
  const Bits bits = std::bit_cast<Bits>(subnormal ? x * kLift : x) + (F::kOne - F::kRoot);
  const T e = std::bit_cast<T>((bits >> F::kPlaces) | std::bit_cast<Bits>(F::kWhole)) -
              (F::kWhole + F::kBias + (subnormal ? T(F::kPlaces + 2) : T(0)));
  const T m = std::bit_cast<T>((bits & F::kFraction) + F::kRoot);

  const T f = m - 1, d = m + 1, inverse = 1 / d, s = f * inverse;
  const T s_head = head(s), d_head = head(d), d_tail = m - (d_head - 1);
  const T s_tail = ((f - s_head * d_head) - s_head * d_tail) * inverse;

  const T q = s * s, square = s_head * s_head;
  T series;
  if constexpr (F::kWide)
    series = polynomial(q, 0.6, 0.4285714285714285, 0.3333333333334271, 0.27272727269467484,
                        0.23076923644362224, 0.1999994459694575, 0.17650228532444331,
                        0.15684292665602237, 0.1614543227251689);
  else
    series = polynomial(q, 0.599999999f, 0.428572982f, 0.333070949f, 0.286819949f);
  const T rest = q * q * series + separate(s_tail * (s_head + s));
  const T sum = head(3 + square + rest), sum_tail = rest - ((sum - 3) - square);

  const T product = s_head * sum, small = s_tail * sum + separate(sum_tail * s);
  const T p = head(product + small), p_tail = small - (p - product);
  constexpr Parts<T> kThird2 = parts<T>(2.0L / 3);
  const T z = kThird2.head * p,
          z_tail = kThird2.tail * p + separate(p_tail * T(2.0L / 3)) + e * F::kLn2Tail;
  const T whole = e * F::kLn2Head, y = head(whole + (z + z_tail));
  return {y, z_tail - ((y - whole) - z)};
}

/// log_parts(x)·c, rounded, and its values at the edges.
template <class T>
[[gnu::always_inline]] inline T log_times(T x, Parts<T> c) {
  const Parts<T> l = log_parts(x);
  const T y = l.head * c.head + (l.head * c.tail + separate(l.tail * (c.head + c.tail)));
  return x > 0    ? (x == std::numeric_limits<T>::infinity() ? x : y)
         : x == 0 ? -std::numeric_limits<T>::infinity()
                  : std::numeric_limits<T>::quiet_NaN();
}

/// e^(x + low), for a low much smaller than x, if it is normal.
[[gnu::always_inline]] inline double exp_sum_within(double x, double low) {
  const DoubleExpParts e = exp_parts(x, low);
  return times_power(1 + e.tail, e.exponent);
}
[[gnu::always_inline]] inline float exp_sum_within(float x, float low) {
  return scaled(exp_parts(x, low));
}
/// The same for kLeastExp <= x <= kMostExp. The result may be subnormal, or need an exponent that
/// is too large by one.
[[gnu::always_inline]] inline double exp_sum(double x, double low) {
  DoubleExpParts e = exp_parts(x, low);
  const bool tiny = x < -707;
  e.exponent += tiny ? std::uint64_t{128} << 52 : -(std::uint64_t{1} << 52);
  return times_power(1 + e.tail, e.exponent) * (tiny ? 0x1p-128 : 2.0);
}
[[gnu::always_inline]] inline float exp_sum(float x, float low) {
  ExpParts e = exp_parts(x, low);
  const bool tiny = x < -86.0f;
  e.exponent += tiny ? 64u << 23 : -(1u << 23);
  return scaled(e) * (tiny ? 0x1p-64f : 2.0f);
}

template <class T>
[[gnu::always_inline]] inline bool is_whole(T a) {  // for a >= 0
  return (a >= Format<T>::kWhole) | ((a + Format<T>::kWhole) - Format<T>::kWhole == a);
}
}  // namespace detail

template <class T>
[[gnu::always_inline]] inline T log2(T x) {
  constexpr detail::Parts<T> c = detail::parts<T>(1.4426950408889634073599246810018921L);
  return detail::log_times(x, c);
}
template <class T>
[[gnu::always_inline]] inline T log10(T x) {
  constexpr detail::Parts<T> c = detail::parts<T>(0.43429448190325182765112891891660508L);
  return detail::log_times(x, c);
}

namespace detail {
/// y·ln a, for 0 < a < ∞.
template <class T>
[[gnu::always_inline]] inline Parts<T> log_power(T a, T y) {
  const Parts<T> l = log_parts(a);
  const T y_head = head(y);
  return {y_head * l.head, (y - y_head) * l.head + separate(y * l.tail)};
}
/// x^y from |x|^y, where x is finite.
template <class T>
[[gnu::always_inline]] inline T with_sign(T r, T x, T y) {
  const T size = std::fabs(y);
  const bool whole = is_whole(size), odd = whole & !is_whole(size / 2);
  const T y_signed = odd ? std::copysign(r, x) : r;
  return (x < 0) & !whole ? std::numeric_limits<T>::quiet_NaN() : y_signed;
}
}  // namespace detail

/// x^y for an ordinary pair: x is normal and finite, |y| < 2^22, the result normal, and y whole if
/// x is negative. There pow(x, y) gives the same bits. Otherwise `ordinary` becomes false, and the
/// result has no meaning.
template <class T>
[[gnu::always_inline]] inline T pow_within(T x, T y, bool& ordinary) {
  using F = detail::Format<T>;
  using Bits = typename F::Bits;
  const T a = std::fabs(x);
  const detail::Parts<T> p = detail::log_power(a, y);
  const T rounder = T(1.5) * F::kWhole, shifted = y + rounder;  // its lowest bit: is y odd?
  ordinary = (a >= std::numeric_limits<T>::min()) & (a <= std::numeric_limits<T>::max()) &
             (std::fabs(p.head) < F::kMostOrdinary) & (std::fabs(y) < T(0x1p22)) &
             ((x > 0) | (shifted - rounder == y));
  const T r = detail::exp_sum_within(p.head, p.tail);
  constexpr int kSign = static_cast<int>(sizeof(T)) * 8 - 1;
  return std::bit_cast<T>(std::bit_cast<Bits>(r) ^
                          ((std::bit_cast<Bits>(shifted) << kSign) & std::bit_cast<Bits>(x)));
}

template <class T>
[[gnu::always_inline]] inline T pow(T x, T y) {
  using F = detail::Format<T>;
  constexpr T kInfinite = std::numeric_limits<T>::infinity();
  const T a = std::fabs(x);
  const detail::Parts<T> p = detail::log_power(a, y > F::kHuge    ? F::kHuge
                                                  : y < -F::kHuge ? -F::kHuge
                                                                  : y);
  const T limited = p.head > F::kMostExp    ? F::kMostExp
                    : p.head < F::kLeastExp ? F::kLeastExp
                                            : p.head;
  const T finite = detail::exp_sum(limited, limited == p.head ? p.tail : T(0));
  const T edge = (a == 0) == (y > 0) ? T(0) : kInfinite;
  const T r = detail::with_sign((a == 0) | (a == kInfinite) ? edge : finite,
                                a == kInfinite ? std::copysign(T(0), x) : x, y);
  const T known = (x != x) | (y != y) ? x + y : r;
  return (x == 1) | (y == 0) ? T(1) : known;
}

}  // namespace descent::math
