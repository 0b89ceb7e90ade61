// Internal. One loop over numbers, compiled once for each instruction set.
//
// The kernels of core/ call loop() with a formula: a lambda in plain scalar C++. The compiler
// inlines the lambda into each version of the loop and vectorises it. Vectorising needs the flags
// of the library's target (-O3, -fno-math-errno, -fno-trapping-math), so no public header includes
// this file. Formulas of optimizers run over packs instead: see pack.h.
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
// The attribute inlines every formula. If a formula were not inlined because it is long, the
// compiler would compile it for the baseline: it would be slower, and where products and sums fuse,
// it would give other bits.
#define DESCENT_WHOLE __attribute__((flatten))

namespace descent::simd {
namespace detail {

template <class F, class... P>
DESCENT_WHOLE void loop_baseline(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_WHOLE DESCENT_AVX2 void loop_avx2(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}
template <class F, class... P>
DESCENT_WHOLE DESCENT_AVX512 void loop_avx512(std::int64_t n, F f, P* __restrict... p) {
  for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
}

template <class F>
DESCENT_WHOLE void call_baseline(F& f) {
  f();
}
template <class F>
DESCENT_WHOLE DESCENT_AVX2 void call_avx2(F& f) {
  f();
}
template <class F>
DESCENT_WHOLE DESCENT_AVX512 void call_avx512(F& f) {
  f();
}

}  // namespace detail

/// Calls f once, compiled for the chosen level: for a loop that loop() cannot express. f must be a
/// lambda marked `__attribute__((always_inline))`. The compiler leaves any other f at the baseline.
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

/// Calls f(p[0]...), f(p[1]...), … f(p[n-1]...), compiled for the chosen level. If f writes an
/// array, no other array may overlap that array, except at the same pointer.
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

#undef DESCENT_WHOLE
#undef DESCENT_AVX2
#undef DESCENT_AVX512
