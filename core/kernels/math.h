// Elementary functions of float that a compiler can vectorise: no branch, no call, no table. Those
// of double are in math_double.h.
//
// Over its whole range, each function is within 4 ulp of the true value, and tanh within 6 ulp. All
// functions handle infinities, NaN and subnormal numbers. tests/core/math_test.cpp checks both. The
// coefficients come from tests/reference/fit_polynomials.py.
#pragma once

#include <descent/core/kernels/math_double.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace descent::math {

namespace detail {
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
// ln 2 in two parts: the first has zeros at the end, so that n · kLn2High is exact.
inline constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;

/// x limited to [−most, most]; NaN stays NaN. Two choices one after the other take half the
/// instructions of a nested choice.
[[gnu::always_inline]] inline float limited(float x, float most) {
  const float below = x > most ? most : x;
  return below < -most ? -most : below;
}

/// Splits e^x, for |x| < 2^21, into p · 2^n with p in [√½, √2].
struct ExpParts {
  float p;
  /// n at its place in a float's bits. For NaN or a large x the number wraps, and is not used.
  std::uint32_t exponent;
};
[[gnu::always_inline]] inline ExpParts exp_tail(float r, float shifted) {
  const float tail = r + r * r *
                             polynomial(r, 5.000000000e-01f, 1.666666716e-01f, 4.166645557e-02f,
                                        8.333361708e-03f, 1.393449726e-03f, 1.985812996e-04f);
  return {1.0f + tail, std::bit_cast<std::uint32_t>(shifted) << 23};
}
[[gnu::always_inline]] inline ExpParts exp_parts(float x) {
  const float shifted = x * 1.44269504f + 12582912.0f;  // n ends up in the lowest bits
  const float n = shifted - 12582912.0f;
  return exp_tail((x - n * kLn2High) - n * kLn2Low, shifted);
}
[[gnu::always_inline]] inline float scaled(ExpParts e) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(e.p) + e.exponent);
}
}  // namespace detail

/// e^x for |x| <= 87, with the same bits as exp(x). In this range the result neither overflows nor
/// is subnormal.
inline constexpr float kExpMost = 87.0f;
[[gnu::always_inline]] inline float exp_within(float x) {
  return detail::scaled(detail::exp_parts(x));
}

[[gnu::always_inline]] inline float exp(float x) {
  const bool small = x < -87.0f;  // may be subnormal: computes 2^64 times the result first
  detail::ExpParts e = detail::exp_parts(x > -104.0f ? x : -104.0f);
  e.exponent += small ? 64u << 23 : 0u;
  const float y = detail::scaled(e) * (small ? 0x1p-64f : 1.0f);
  return x <= 88.7228317f ? y : x + detail::kInf;  // the last finite result; NaN stays NaN
}

/// e^x for x <= 0; 0 where the result would be subnormal.
[[gnu::always_inline]] inline float exp_below_zero(float x) {
  const detail::ExpParts e = detail::exp_parts(x);
  const float scale = std::bit_cast<float>(e.exponent + 0x3f800000u);  // a NaN in p stays NaN
  return x < -87.3f ? 0.0f : e.p * scale;
}

[[gnu::always_inline]] inline float expm1(float x) {
  const float near =
      x + x * x *
              detail::polynomial(x, 5.000000000e-01f, 1.666666716e-01f, 4.166666418e-02f,
                                 8.333182894e-03f, 1.388904057e-03f, 1.996195788e-04f,
                                 2.484167999e-05f);
  return std::copysign(x > -0.5f && x < 0.5f ? near : exp(x) - 1.0f, x);  // −0 stays −0
}

[[gnu::always_inline]] inline float log(float x) {
  const bool subnormal = x < 1.17549435e-38f;
  const float y = subnormal ? x * 8388608.0f : x;
  // Subtracting √½ in integer form splits y into 2^e · (1 + f) with √½ <= 1 + f < √2.
  const auto bits = std::bit_cast<std::uint32_t>(y);
  const auto top = static_cast<std::int32_t>(bits - 0x3f3504f3u);
  const std::int32_t e_int = top >> 23;
  const float e = static_cast<float>(e_int) - (subnormal ? 23.0f : 0.0f);
  const float f = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(e_int) << 23)) - 1.0f;
  const float tail =
      f * f * f *
          detail::polynomial(f, 3.333333135e-01f, -2.499999404e-01f, 2.000071406e-01f,
                             -1.666805744e-01f, 1.424932331e-01f, -1.242014095e-01f,
                             1.167700067e-01f, -1.151461080e-01f, 7.037678361e-02f) +
      e * detail::kLn2Low - 0.5f * f * f;
  const float r = f + tail + e * detail::kLn2High;
  return x > 0.0f ? (x == detail::kInf ? x : r) : x == 0.0f ? -detail::kInf : detail::kNaN;
}

/// tanh x = x·P(x²)/Q(x²) for |x| <= 8, with the bits of tanh(x). Within 6 ulp: two polynomials and
/// a quotient each round, and near ±1 an ulp is small.
inline constexpr float kTanhMost = 8.0f;
[[gnu::always_inline]] inline float tanh_within(float x) {
  const float s = x * x;
  const float p = x + x * s *
                          detail::polynomial(s, 1.342591196e-01f, 3.549217942e-03f,
                                             2.150928529e-05f, 1.464932799e-08f);
  return p / detail::polynomial(s, 1.000000000e+00f, 4.675923714e-01f, 2.608013636e-02f,
                                3.374029663e-04f, 8.295551387e-07f);
}
[[gnu::always_inline]] inline float tanh(float x) {
  const float near = tanh_within(detail::limited(x, kTanhMost));
  // Beyond 8 the distance of tanh to ±1 is 2·exp(−2|x|): less than four ulps at 8, half an ulp at
  // 9.0109. A parabola is within 0.08 ulp of this distance.
  const float a = std::fabs(x), d = a < 9.0109f ? 9.0109f - a : 0.0f;
  const float far = 1.0f - 0x1p-24f * detail::polynomial(d, 0.49f, 0.326f, 2.817f);
  return a > kTanhMost ? std::copysign(far, x) : near;
}

/// Φ(x), to 1e-7, and its density. Both share one exponential:
/// Φ(−t) = exp(−t²/2)·(½ + w·P(w)) with w = t/(t + 1/0.29).
namespace detail {
[[gnu::always_inline]] inline Normal<float> normal(float x, float t, float e) {
  const float q = 0.29f * t, w = q / (1.0f + q);
  const float half = 0.5f + w * polynomial(w, -1.375663877e+00f, 1.597026467e+00f,
                                           -8.834475279e-01f, 2.614349127e-02f, 1.595724225e-01f,
                                           6.039785221e-02f, -1.240799502e-01f, 4.008021578e-02f);
  const float tail = e * half;
  return {x < 0.0f ? tail : 1.0f - tail, 0.398942280f * e};
}
}  // namespace detail
inline constexpr float kNormalMost = 13.0f;
[[gnu::always_inline]] inline Normal<float> normal_within(float x) {
  const float t = std::fabs(x);
  return detail::normal(x, t, exp_within(-0.5f * t * t));
}
[[gnu::always_inline]] inline Normal<float> normal(float x) {
  const float a = std::fabs(x), t = a > 14.0f ? 14.0f : a;  // Φ(−14) is 0 in float
  return detail::normal(x, t, exp_below_zero(-0.5f * t * t));
}

[[gnu::always_inline]] inline float erf(float x) {
  const float a = x < 0.0f ? -x : x, s = x * x;
  const float near =
      x + x * detail::polynomial(s, 1.283791661e-01f, -3.761262298e-01f, 1.128358319e-01f,
                                 -2.685444988e-02f, 5.190598313e-03f, -8.037583320e-04f,
                                 7.964413817e-05f);
  const float t = a < 4.2f ? a : 4.2f;
  const float far =
      1.0f - exp(-t * detail::polynomial(t, 1.128904939e+00f, 6.341496110e-01f, 1.078433096e-01f,
                                         -2.512433939e-02f, 4.295415245e-03f, -4.964661202e-04f,
                                         3.405875032e-05f, -1.028066436e-06f));
  return a < 1.0f ? near : x < 0.0f ? -far : x != x ? x : far;
}

/// Sine and cosine for |x| <= kTurnsMost: reduced in double, where n·π/2 keeps its digits.
namespace detail {
[[gnu::always_inline]] inline float sine_within(float x, std::uint32_t quarters) {
  const double wide = x, shifted = wide * 0.6366197723675814 + kRounder, n = shifted - kRounder;
  const auto r = static_cast<float>((wide - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34);
  const float s = r * r;
  const float sine =
      r + r * (s * polynomial(s, -1.666665526e-01f, 8.332121219e-03f, -1.951529013e-04f));
  const float cosine =
      1.0f -
      (0.5f * s - s * s * polynomial(s, 4.166664568e-02f, -1.388731625e-03f, 2.443315710e-05f));
  const auto q = static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(shifted)) + quarters;
  const float y = (q & 1) != 0 ? cosine : sine;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(y) ^ ((q & 2) << 30));
}
}  // namespace detail

// ---- rounded from double ----

[[gnu::always_inline]] inline float sinh(float x) {
  return static_cast<float>(sinh(static_cast<double>(x)));
}
[[gnu::always_inline]] inline float cosh(float x) {
  return static_cast<float>(cosh(static_cast<double>(x)));
}
[[gnu::always_inline]] inline float atan(float x) {
  return static_cast<float>(atan(static_cast<double>(x)));
}
[[gnu::always_inline]] inline float atan2(float y, float x) {
  return static_cast<float>(atan2(static_cast<double>(y), static_cast<double>(x)));
}

// ---- float and double alike ----

template <class T>
[[gnu::always_inline]] inline T sin_within(T x) {
  const T y = detail::sine_within(x, 0);
  return x == 0 ? x : y;  // −0 stays −0
}
template <class T>
[[gnu::always_inline]] inline T cos_within(T x) {
  return detail::sine_within(x, 1);
}
template <class T>
inline T sin(T x) {
  return std::fabs(x) <= T(kTurnsMost) ? sin_within(x) : T(std::sin(static_cast<double>(x)));
}
template <class T>
inline T cos(T x) {
  return std::fabs(x) <= T(kTurnsMost) ? cos_within(x) : T(std::cos(static_cast<double>(x)));
}

template <class T>
[[gnu::always_inline]] inline T log1p(T x) {  // the rounding of 1 + x is put back
  constexpr T kInfinite = std::numeric_limits<T>::infinity();
  const T u = 1 + x, y = log(u) - ((u - 1) - x) / u;
  return u == 1 ? x : x == kInfinite ? x : x == -1 ? -kInfinite : y;
}

template <class T>
[[gnu::always_inline]] inline T sigmoid(T x) {  // of -|x| first: exp never overflows
  const T e = exp(x < 0 ? x : -x);
  return (x < 0 ? e : T(1)) / (1 + e);
}

/// log(1 + eˣ) without overflow.
template <class T>
[[gnu::always_inline]] inline T softplus(T x) {
  return (x > 0 ? x : T(0)) + log1p(exp(x > 0 ? -x : x));
}

}  // namespace descent::math
