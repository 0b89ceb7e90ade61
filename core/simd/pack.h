// Packs: a formula over sixteen floats at once, with AVX-512. The compiler vectorises a formula by
// itself, but sends every root and every quotient to the processor's one divider; ratio() of packs
// does without it, so that both together take the time of one.
//
//   simd::loop_packs(n, [=](auto& w, auto g, auto& v) {  // auto: a number, or a Pack of them
//     v += g * g;
//     w -= simd::ratio(eta * g, simd::sqrt(v) + eps);
//   }, w, g, v);
//
// What a formula takes by value (g) is only read; what it takes by reference is written back,
// changed or not. + − · and ?: of a comparison work on packs as on numbers, and so do sqrt, ratio
// and fma. simd::sum_packs() is to simd::sum() as loop_packs() to loop(), which they are without
// AVX-512, for double, and under clang, which hands no pack to a lambda.
#pragma once

#include <descent/core/simd/loop.h>

#include <cmath>
#include <concepts>

namespace descent::simd {

/// a/b, and 0 where b is 0.
template <std::floating_point T>
T ratio(T a, T b) {
  return b == 0 ? T(0) : a / b;
}
template <std::floating_point T>
T sqrt(T x) {
  return std::sqrt(x);
}
/// a·b + c; of packs rounded once.
template <std::floating_point A, std::floating_point B, std::floating_point C>
auto fma(A a, B b, C c) {
  return a * b + c;
}

// A formula for any x86-64 that were not inlined would hand packs over in memory, where the loop
// has them in registers. So packs are for files in which it is, as long as it calls nothing marked
// noinline, or that are for AVX-512 anyway.
#if defined(__GNUC__) && !defined(__clang__) &&                             \
    (defined(__AVX512DQ__) ||                                               \
     (defined(__x86_64__) && !defined(__AVX2__) && defined(__OPTIMIZE__) && \
      !defined(__NO_INLINE__) && defined(__NO_MATH_ERRNO__) && defined(__NO_TRAPPING_MATH__)))
#define DESCENT_PACKS
typedef float Pack __attribute__((vector_size(64)));

inline constexpr unsigned short kWholePack = 0xffff;  // a mask
inline constexpr int kRoundAsSet = 4;                 // in place of a mode of rounding

DESCENT_TARGET_AVX512 inline Pack sqrt(Pack x) {
  return __builtin_ia32_sqrtps512_mask(x, x, kWholePack, kRoundAsSet);
}
inline Pack to_pack(Pack x) { return x; }
inline Pack to_pack(float x) { return Pack{} + x; }
template <class... T>
concept SomePacks = (std::is_same_v<T, Pack> || ...);

/// Numbers and packs mixed, too.
template <class A, class B, class C>
requires SomePacks<A, B, C> DESCENT_TARGET_AVX512 inline Pack fma(A a, B b, C c) {
  return __builtin_ia32_vfmaddps512_mask(to_pack(a), to_pack(b), to_pack(c), kWholePack,
                                         kRoundAsSet);
}
/// By a reciprocal of 14 bits and one of Newton's steps: within 1.5 units in the last place. Where
/// b is infinite or subnormal, 0; from 2¹²⁶ on, where reciprocals are subnormal, it may be 0.
DESCENT_TARGET_AVX512 inline Pack ratio(Pack a, Pack b) {
  constexpr int kZeroSubnormalInfinite = 0x3e;
  const Pack y = __builtin_ia32_rcp14ps512_mask(b, b, kWholePack),
             reciprocal = fma(fma(-b, y, 1.0f), y, y);
  const auto none = __builtin_ia32_fpclassps512_mask(b, kZeroSubnormalInfinite, kWholePack);
  return __builtin_ia32_mulps512_mask(a, reciprocal, Pack{}, static_cast<unsigned short>(~none),
                                      kRoundAsSet);
}

DESCENT_TARGET_AVX512 inline Pack ratio(float a, Pack b) { return ratio(to_pack(a), b); }

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
inline unsigned short first(std::size_t n) {  // lanes, as a mask
  return static_cast<unsigned short>((1u << n) - 1);
}
DESCENT_TARGET_AVX512 inline Pack add_first(Pack a, Pack b, std::size_t n) {
  return __builtin_ia32_addps512_mask(a, b, a, first(n), kRoundAsSet);
}
DESCENT_TARGET_AVX512 inline Pack load(const float* p, std::size_t n) {
  return __builtin_ia32_loadups512_mask(p, Pack{}, first(n));
}
DESCENT_TARGET_AVX512 inline void store(float* p, Pack x, std::size_t n) {
  __builtin_ia32_storeups512_mask(p, x, first(n));
}
inline void store(const float*, Pack, std::size_t) {}

template <class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX512 __attribute__((flatten)) void loop_of_packs(std::int64_t n, F f,
                                                                               P*... p) {
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

/// Over a span four sums of packs side by side, so that no addition waits for another; their lanes
/// are folded, and spans are added in double. The order depends on n alone.
template <class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX512 __attribute__((flatten)) void sum_of_packs(std::int64_t n, F f,
                                                                              double* out,
                                                                              P*... p) {
  using Sums = std::invoke_result_t<F&, decltype(load(p))&...>;
  constexpr std::int64_t kSideBySide = 4, kSpan = 4 * kBlock;
  const auto add_at = [&](std::int64_t i, Sums & sums) __attribute__((always_inline)) {
    [&](auto... x) __attribute__((always_inline)) {
      const Sums terms = f(x...);
      (store(p + i, x), ...);
      for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += terms[j];
    }
    (load(p + i)...);
  };
  for (std::int64_t i = 0; i < n;) {
    Sums sums[kSideBySide] = {};
    const std::int64_t end = n - i < kSpan ? n : i + kSpan;
    for (; i + kSideBySide * kPack <= end; i += kSideBySide * kPack)
      for (int k = 0; k < kSideBySide; ++k) add_at(i + k * kPack, sums[k]);
    for (; i + kPack <= end; i += kPack) add_at(i, sums[0]);
    if (i < end) {  // the same arithmetic for what is left
      [&, rest = static_cast<std::size_t>(end - i)](auto... x) {
        const Sums terms = f(x...);
        (store(p + i, x, rest), ...);
        for (std::size_t j = 0; j < terms.size(); ++j)
          sums[1][j] = add_first(sums[1][j], terms[j], rest);
      }(load(p + i, static_cast<std::size_t>(end - i))...);
      i = end;
    }
    for (std::size_t j = 0; j < sums[0].size(); ++j) {
      alignas(Pack) float lanes[kPack];
      store(lanes, (sums[0][j] + sums[1][j]) + (sums[2][j] + sums[3][j]));
      fold<kPack / 2>(lanes);
      out[j] += static_cast<double>(lanes[0]);
    }
  }
}

/// The I-th array as a formula uses it: const where it takes a number by value.
template <class F, std::size_t I, class Numbers>
struct Access;
template <class F, std::size_t I, std::size_t... J>
struct Access<F, I, std::index_sequence<J...>> {
  static constexpr bool by_value =
      std::is_invocable_v<F&, std::conditional_t<I == J, Pack, Pack&>...>;
  using type = std::conditional_t<by_value, const float, float>;
};

/// g(p...), each pointer to const where f only reads.
template <class F, std::size_t... I, class... P>
void with_access(std::index_sequence<I...> all, auto g, P*... p) {
  g(static_cast<typename Access<F, I, decltype(all)>::type*>(p)...);
}

template <class... P>
inline constexpr bool kFloats = (std::is_same_v<const P, const float> && ...);

}  // namespace detail

template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  if constexpr (detail::kFloats<P...>)
    if (level() == Level::avx512)
      return detail::with_access<F>(
          std::index_sequence_for<P...>(), [&](auto*... q) { detail::loop_of_packs(n, f, q...); },
          p...);
  loop(n, f, p...);
}
template <class F, class... P>
void sum_packs(std::int64_t n, F f, double* out, P*... p) {
  if constexpr (detail::kFloats<P...>)
    if (level() == Level::avx512)
      return detail::with_access<F>(
          std::index_sequence_for<P...>(),
          [&](auto*... q) { detail::sum_of_packs(n, f, out, q...); }, p...);
  sum(n, f, out, p...);
}
#else
template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  loop(n, f, p...);
}
template <class F, class... P>
void sum_packs(std::int64_t n, F f, double* out, P*... p) {
  sum(n, f, out, p...);
}
#endif

}  // namespace descent::simd
