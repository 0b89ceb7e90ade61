// Powers, and logarithms in two parts, which powers need: an error of log₂ x is multiplied by y,
// which may be 1000. Written once for float and double, without a branch, a call or a table.
//
// Over their whole range, pow is within 1.6 ulp of the true value, log2 and log10 within 0.52;
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
  static constexpr Bits kLeastNormal = std::bit_cast<Bits>(std::numeric_limits<T>::min()),
                        kInfinite = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  static constexpr T kWhole = T(Bits{1} << kPlaces);  // larger numbers are whole
  static constexpr T kBias = kWide ? T(1023) : T(127);
  static constexpr T kLeast = kWide ? T(-1076) : T(-150),     // 2^x rounds to 0
      kMost = kWide ? T(1024.25) : T(128.25),                 // 2^x is infinite
      kMostOrdinary = kWide ? T(1020) : T(124);               // 2^x and 2^-x are normal
  static constexpr T kHuge = kWide ? T(0x1p900) : T(0x1p90);  // x^kHuge is 0, 1 or ∞
};

/// x without the lower half of its digits. The product of two such numbers is exact.
template <class T>
[[gnu::always_inline]] inline T head(T x) {
  return std::bit_cast<T>(std::bit_cast<typename Format<T>::Bits>(x) & ~Format<T>::kLowHalf);
}
/// x without its last digit. The compiler cannot fuse a product that goes through separate() with a
/// sum. It therefore has only one way to fuse a·b + separate(c·d), and all loops around the formula
/// give the same bits.
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

/// log₂ x for 0 < x < ∞, with half as many digits again as T has. x = 2^e · m, and with
/// s = (m − 1)/(m + 1), log₂ m = ⅔/ln 2 · s·(3 + s² + ⅗·s⁴ + …).
template <class T>
[[gnu::always_inline]] inline Parts<T> log2_parts(T x) {
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
    series = polynomial(q, 0.600000226f, 0.428433289f, 0.345735042f);
  const T rest = q * q * series + separate(s_tail * (s_head + s));
  const T sum = head(3 + square + rest), sum_tail = rest - ((sum - 3) - square);

  const T product = s_head * sum, small = s_tail * sum + separate(sum_tail * s);
  const T p = head(product + small), p_tail = small - (p - product);
  constexpr Parts<T> kScale = parts<T>(0.96179669392597560490661645400126L);  // ⅔/ln 2
  const T z = kScale.head * p,
          z_tail = kScale.tail * p + separate(p_tail * (kScale.head + kScale.tail));
  const T y = head(e + (z + z_tail));
  return {y, z_tail - ((y - e) - z)};
}

/// y = log x for x > 0, and the values at the edges.
template <class T>
[[gnu::always_inline]] inline T with_edges(T x, T y) {
  return x > 0    ? (x == std::numeric_limits<T>::infinity() ? x : y)
         : x == 0 ? -std::numeric_limits<T>::infinity()
                  : std::numeric_limits<T>::quiet_NaN();
}

/// Splits 2^(x + low), for a low much smaller than x, as exp_parts() does.
[[gnu::always_inline]] inline DoubleExpParts exp2_parts(double x, double low) {
  const double shifted = x + kRounder;
  return exp_tail(((x - (shifted - kRounder)) + low) * 0.6931471805599453, shifted);
}
[[gnu::always_inline]] inline ExpParts exp2_parts(float x, float low) {
  const float shifted = x + 12582912.0f;
  return exp_tail(((x - (shifted - 12582912.0f)) + low) * 0.693147181f, shifted);
}
/// 2^(x + low), if it is normal.
[[gnu::always_inline]] inline double exp2_within(double x, double low) {
  const DoubleExpParts e = exp2_parts(x, low);
  return times_power(1 + e.tail, e.exponent);
}
[[gnu::always_inline]] inline float exp2_within(float x, float low) {
  return scaled(exp2_parts(x, low));
}
/// 2^(x + low) for kLeast <= x <= kMost. The result may be subnormal, or need an exponent that is
/// too large by one.
[[gnu::always_inline]] inline double exp2(double x, double low) {
  DoubleExpParts e = exp2_parts(x, low);
  const bool tiny = x < -1020;
  e.exponent += tiny ? std::uint64_t{128} << 52 : -(std::uint64_t{1} << 52);
  return times_power(1 + e.tail, e.exponent) * (tiny ? 0x1p-128 : 2.0);
}
[[gnu::always_inline]] inline float exp2(float x, float low) {
  ExpParts e = exp2_parts(x, low);
  const bool tiny = x < -124.0f;
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
  const detail::Parts<T> l = detail::log2_parts(x);
  return detail::with_edges(x, l.head + l.tail);
}
template <class T>
[[gnu::always_inline]] inline T log10(T x) {
  constexpr detail::Parts<T> c = detail::parts<T>(0.30102999566398119521373889472449L);  // log₁₀ 2
  const detail::Parts<T> l = detail::log2_parts(x);
  const T tail = l.head * c.tail + detail::separate(l.tail * (c.head + c.tail));
  return detail::with_edges(x, l.head * c.head + tail);
}

namespace detail {
/// y·log₂ a, for 0 < a < ∞.
template <class T>
[[gnu::always_inline]] inline Parts<T> log_power(T a, T y) {
  const Parts<T> l = log2_parts(a);
  const T y_head = head(y);
  return {y_head * l.head, (y - y_head) * l.head + separate(y * l.tail)};
}
/// x^y from |x|^y, where x is finite.
template <class T>
[[gnu::always_inline]] inline T with_sign(T r, T x, T y) {
  const T size = std::fabs(y);
  const bool whole = is_whole(size), odd = whole & !is_whole(size / 2);
  const T y_signed = odd ? std::copysign(r, x) : r;
  return ((x < 0) & !whole) ? std::numeric_limits<T>::quiet_NaN() : y_signed;
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
  const bool normal = std::bit_cast<Bits>(a) - F::kLeastNormal < F::kInfinite - F::kLeastNormal,
             moderate = std::fabs(p.head) < F::kMostOrdinary, small = std::fabs(y) < T(0x1p22),
             real = (x > 0) | (shifted - rounder == y);
  ordinary = normal & moderate & small & real;
  const T r = detail::exp2_within(p.head, p.tail);
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
  const T limited = p.head > F::kMost ? F::kMost : p.head < F::kLeast ? F::kLeast : p.head;
  const T finite = detail::exp2(limited, limited == p.head ? p.tail : T(0));
  const T edge = (a == 0) == (y > 0) ? T(0) : kInfinite;
  const T r = detail::with_sign(((a == 0) | (a == kInfinite)) ? edge : finite,
                                a == kInfinite ? std::copysign(T(0), x) : x, y);
  const T known = ((x != x) | (y != y)) ? x + y : r;
  return ((x == 1) | (y == 0)) ? T(1) : known;
}

}  // namespace descent::math
