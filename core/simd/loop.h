// One loop, compiled three times and chosen once: for any x86-64, for AVX2 + FMA, and for AVX-512.
//
// The formula is a lambda in plain scalar C++; the compiler inlines it into each version and
// vectorises it. With -ffp-contract=off, as the library is compiled, the three give the same bits.
// The environment variable DESCENT_SIMD (baseline, avx2, avx512) lowers the choice.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace descent::simd {

enum class Level { baseline, avx2, avx512 };

/// What this processor and DESCENT_SIMD allow. Throws ValueError for an unknown DESCENT_SIMD.
Level level();
std::string_view to_string(Level level);

// In a user's file the loops are compiled as the library's own are, so that a formula there is as
// fast as one of the library and gives the same bits. The formula itself has the file's flags: the
// two that the CMake target brings, -fno-math-errno and -fno-trapping-math, let it vectorise.
#if defined(__GNUC__) && !defined(__clang__) && !defined(DESCENT_LIBRARY)
#define DESCENT_LOOP \
  __attribute__((flatten, optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")))
#define DESCENT_IN_LOOP  // flatten takes it in
#else
#define DESCENT_LOOP
#define DESCENT_IN_LOOP [[gnu::always_inline]]
#endif
#if defined(__x86_64__) && !defined(__AVX2__)  // else the file is for one processor already
#define DESCENT_TARGET_AVX2 __attribute__((target("arch=x86-64-v3")))
#define DESCENT_TARGET_AVX512 __attribute__((target("arch=x86-64-v4")))
#else
#define DESCENT_TARGET_AVX2
#define DESCENT_TARGET_AVX512
#endif
namespace detail {

template <class F, class... P>
DESCENT_LOOP void loop_baseline(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX2 void loop_avx2(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX512 void loop_avx512(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}

inline constexpr std::int64_t kBlock = 512;

/// t[0] = Σ t, by adding the second half to the first until one is left.
template <std::int64_t kHalf, class T>
DESCENT_IN_LOOP inline void fold(T* t) {
  for (std::int64_t i = 0; i < kHalf; ++i) t[i] += t[i + kHalf];
  if constexpr (kHalf > 1) fold<kHalf / 2>(t);
}

/// Writes down the terms of a block, in a loop that vectorises as any other, and folds them: an
/// order of addition that depends on n alone, with errors that grow with log n.
template <class Sums, class F, class... P>
DESCENT_IN_LOOP inline void sum_in_blocks(std::int64_t n, F& f, double* out, P* __restrict... p) {
  using T = typename Sums::value_type;
  constexpr std::size_t kSums = std::tuple_size_v<Sums>;
  alignas(64) T terms[kSums][kBlock];
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t m = n - begin < kBlock ? n - begin : kBlock;
    for (std::int64_t i = 0; i < m; ++i) {
      const Sums s = f(p[begin + i]...);
      for (std::size_t j = 0; j < kSums; ++j) terms[j][i] = s[j];
    }
    for (std::size_t j = 0; j < kSums; ++j) {
      for (std::int64_t i = m; i < kBlock; ++i) terms[j][i] = 0;
      fold<kBlock / 2>(terms[j]);
      out[j] += static_cast<double>(terms[j][0]);
    }
  }
}
template <class Sums, class F, class... P>
DESCENT_LOOP void sum_baseline(std::int64_t n, F f, double* out, P* __restrict... p) {
  sum_in_blocks<Sums>(n, f, out, p...);
}
template <class Sums, class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX2 void sum_avx2(std::int64_t n, F f, double* out,
                                               P* __restrict... p) {
  sum_in_blocks<Sums>(n, f, out, p...);
}
template <class Sums, class F, class... P>
DESCENT_LOOP DESCENT_TARGET_AVX512 void sum_avx512(std::int64_t n, F f, double* out,
                                                   P* __restrict... p) {
  sum_in_blocks<Sums>(n, f, out, p...);
}

template <class F>
void call_baseline(F& f) {
  f();
}
template <class F>
DESCENT_TARGET_AVX2 void call_avx2(F& f) {
  f();
}
template <class F>
DESCENT_TARGET_AVX512 void call_avx512(F& f) {
  f();
}

}  // namespace detail

/// Calls f, compiled for the chosen level: for loops that are no plain element-by-element formula.
/// f must be a lambda marked `__attribute__((always_inline))`, or it stays code for any x86-64.
template <class F>
void call(F f) {
  switch (level()) {
    case Level::avx512:
      return detail::call_avx512(f);
    case Level::avx2:
      return detail::call_avx2(f);
    default:
      return detail::call_baseline(f);
  }
}

/// f(p[0]...), f(p[1]...), … f(p[n-1]...). Arrays that are written must not overlap the others,
/// unless they are the same array read and written at the same index through one pointer.
template <class F, class... P>
void loop(std::int64_t n, F f, P*... p) {
  switch (level()) {
    case Level::avx512:
      return detail::loop_avx512(n, f, p...);
    case Level::avx2:
      return detail::loop_avx2(n, f, p...);
    default:
      return detail::loop_baseline(n, f, p...);
  }
}

/// loop() with a formula that gives numbers to be summed, as a std::array: out[j] += Σ f(…)[j].
template <class F, class... P>
void sum(std::int64_t n, F f, double* out, P*... p) {
  using Sums = std::remove_cvref_t<decltype(f(p[0]...))>;
  switch (level()) {
    case Level::avx512:
      return detail::sum_avx512<Sums>(n, f, out, p...);
    case Level::avx2:
      return detail::sum_avx2<Sums>(n, f, out, p...);
    default:
      return detail::sum_baseline<Sums>(n, f, out, p...);
  }
}

}  // namespace descent::simd
