// Packs: a formula over sixteen floats at once, with AVX-512. The compiler vectorises a formula by
// itself, but sends every root and every quotient to the processor's one divider; ratio() of packs
// does without it, so that both together take the time of one.
//
//   simd::loop_packs(n, [=](auto& w, auto g, auto& v) {  // auto: a number, or a Pack of them
//     v += g * g;
//     w -= simd::ratio(eta * g, simd::sqrt(v) + eps);
//   }, w, g, v);
//
// + − · and ?: of a comparison work on packs as on numbers. Without AVX-512, for double, and under
// clang, which hands no pack to a lambda, this is simd::loop().
#pragma once

#include <descent/core/simd.h>

#include <cmath>
#include <cstring>

namespace descent::simd {

/// a/b, and 0 where b is 0.
template <class T>
T ratio(T a, T b) {
  return b == 0 ? T(0) : a / b;
}
template <class T>
T sqrt(T x) {
  return std::sqrt(x);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DESCENT_TARGET_AVX512 __attribute__((target("arch=x86-64-v4")))

typedef float Pack __attribute__((vector_size(64)));

inline constexpr unsigned short kWholePack = 0xffff;  // a mask
inline constexpr int kRoundAsSet = 4;                 // in place of a mode of rounding

template <>
DESCENT_TARGET_AVX512 inline Pack sqrt(Pack x) {
  return __builtin_ia32_sqrtps512_mask(x, x, kWholePack, kRoundAsSet);
}
/// By a reciprocal of 14 bits and one of Newton's steps: within 1.5 units in the last place. Where
/// b is infinite or subnormal, 0; from 2¹²⁶ on, where reciprocals are subnormal, it may be 0.
template <>
DESCENT_TARGET_AVX512 inline Pack ratio(Pack a, Pack b) {
  constexpr int kZeroSubnormalInfinite = 0x3e;
  const Pack one = Pack{} + 1.0f, y = __builtin_ia32_rcp14ps512_mask(b, b, kWholePack),
             rest = __builtin_ia32_vfmaddps512_mask(-b, y, one, kWholePack, kRoundAsSet),
             reciprocal = __builtin_ia32_vfmaddps512_mask(rest, y, y, kWholePack, kRoundAsSet);
  const auto none = __builtin_ia32_fpclassps512_mask(b, kZeroSubnormalInfinite, kWholePack);
  return __builtin_ia32_mulps512_mask(a, reciprocal, Pack{}, static_cast<unsigned short>(~none),
                                      kRoundAsSet);
}

namespace detail {

inline constexpr std::int64_t kPack = 16;
typedef float UnalignedPack __attribute__((vector_size(64), aligned(4), may_alias));
DESCENT_TARGET_AVX512 inline Pack load(const float* p) {
  return *reinterpret_cast<const UnalignedPack*>(p);
}
DESCENT_TARGET_AVX512 inline void store(float* p, Pack x) {
  *reinterpret_cast<UnalignedPack*>(p) = x;
}
inline void store(const float*, Pack) {}
DESCENT_TARGET_AVX512 inline Pack load(const float* p, std::size_t n) {
  Pack x{};
  std::memcpy(&x, p, n * sizeof(float));
  return x;
}
DESCENT_TARGET_AVX512 inline void store(float* p, Pack x, std::size_t n) {
  std::memcpy(p, &x, n * sizeof(float));
}
inline void store(const float*, Pack, std::size_t) {}

template <class F, class... P>
__attribute__((flatten)) DESCENT_TARGET_AVX512 void loop_of_packs(std::int64_t n, F f, P*... p) {
  std::int64_t i = 0;
  for (; i + kPack <= n; i += kPack) [&](auto... x) __attribute__((always_inline)) {
      f(x...);
      (store(p + i, x), ...);
    }
  (load(p + i)...);
  if (i < n)  // the same arithmetic for what is left
    [&, rest = static_cast<std::size_t>(n - i)](auto... x) {
      f(x...);
      (store(p + i, x, rest), ...);
    }(load(p + i, static_cast<std::size_t>(n - i))...);
}

}  // namespace detail

template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  if constexpr ((std::is_same_v<const P, const float> && ...))
    if (level() == Level::avx512) return detail::loop_of_packs(n, f, p...);
  loop(n, f, p...);
}
#undef DESCENT_TARGET_AVX512
#else
template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  loop(n, f, p...);
}
#endif

}  // namespace descent::simd
