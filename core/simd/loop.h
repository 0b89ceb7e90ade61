// Internal. One loop over numbers, compiled for each instruction set and chosen once.
//
// The kernels of core/ use it: a formula is a lambda in plain scalar C++, which the compiler
// inlines into each version and vectorises. Vectorising needs the flags of the library's target
// (-O3, -fno-math-errno, -fno-trapping-math), so no public header includes this file. Formulas of
// optimizers run over packs instead: see pack.h.
#pragma once

#include <descent/core/simd/level.h>

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#define DESCENT_AVX2 __attribute__((target("arch=x86-64-v3")))
#define DESCENT_AVX512 __attribute__((target("arch=x86-64-v4")))
#else
#define DESCENT_AVX2
#define DESCENT_AVX512
#endif

namespace descent::simd {
namespace detail {

template <class F, class... P>
void loop_baseline(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_AVX2 void loop_avx2(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_AVX512 void loop_avx512(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}

template <class F>
void call_baseline(F& f) {
  f();
}
template <class F>
DESCENT_AVX2 void call_avx2(F& f) {
  f();
}
template <class F>
DESCENT_AVX512 void call_avx512(F& f) {
  f();
}

}  // namespace detail

/// Calls f, compiled for the chosen level. For loops that are no plain element-by-element formula.
/// f must be a lambda marked `__attribute__((always_inline))`. Any other f stays code for the
/// baseline.
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

/// Calls f(p[0]...), f(p[1]...), … f(p[n-1]...). An array that f writes must not overlap another
/// array, unless both are the same pointer.
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

}  // namespace descent::simd

#undef DESCENT_AVX2
#undef DESCENT_AVX512
