// Packs: a formula that is written for one number runs on 2 to 16 numbers at once.
//
//   simd::loop_packs(n, [=](auto& w, auto g, auto& v) {
//     v += g * g;
//     w -= eta * g / (sqrt(v) + eps);
//   }, w, g, v);
//
// The loop hands packs of neighbouring numbers to the formula: 16, 32 or 64 bytes of floats or
// doubles, as the processor allows. The formula takes a number by value (auto) if it only reads the
// number, and by reference (auto&) if the number is to be written back.
//
// What a formula may use on packs, mixed with numbers:
//   + − * /  += −= *= /=   as on numbers
//   < <= > >= == !=        give a mask; masks combine by & | !
//   where(mask, a, b)      a where the mask holds, else b. It replaces ?: and if, which packs have
//   not sqrt abs sign          sign of 0 and of NaN is 0 max(a, b), min(a, b)   b if either is NaN
//   fma(a, b, c)           a·b + c, rounded once for floats under AVX-512, else twice
//   ratio(a, b)            a/b, and 0 where b is 0. For floats under AVX-512: within 1.5 units in
//   the
//                          last place, and 0 where b is subnormal or infinite; from b = 2¹²⁶ on it
//                          may be 0. A divider for quotients and roots is slower than memory;
//                          ratio() does without the divider.
// Write these names without std:: or any other prefix: the compiler finds those of packs.
//
// The result is the same in every file whatever its flags: products and sums are never fused, and
// the ends of arrays go through the same arithmetic. With double, or without fma() and ratio(), it
// is the same on every processor too.
#pragma once

#include <descent/core/simd/level.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

// Packs and whatever is compiled from them get another name in files with other instruction sets,
// compilers or optimisation, so that a linker never takes one file's code for another's.
#if defined(__AVX512F__)
#define DESCENT_SET avx512
#elif defined(__AVX2__)
#define DESCENT_SET avx2
#elif defined(__AVX__)
#define DESCENT_SET avx
#else
#define DESCENT_SET any
#endif
#if defined(__clang__)
#define DESCENT_COMPILER clang
#else
#define DESCENT_COMPILER gcc
#endif
#if defined(__FAST_MATH__)
#define DESCENT_FLAGS fast
#elif defined(__OPTIMIZE__)
#define DESCENT_FLAGS optimized
#else
#define DESCENT_FLAGS plain
#endif
#define DESCENT_JOIN2(a, b, c) for_##a##_##b##_##c
#define DESCENT_JOIN(a, b, c) DESCENT_JOIN2(a, b, c)
#define DESCENT_CONFIGURATION DESCENT_JOIN(DESCENT_SET, DESCENT_COMPILER, DESCENT_FLAGS)

namespace descent::simd {
inline namespace DESCENT_CONFIGURATION {

/// Names the flags of the file that includes this header. A template with this type among its
/// arguments is another one in a file with other flags.
struct Configuration {};

#define DESCENT_LEVEL Baseline
#define DESCENT_BYTES 16
#define DESCENT_AT_LEVEL
#include <descent/core/simd/pack.inc>
#if defined(__x86_64__)
#define DESCENT_LEVEL Avx2
#define DESCENT_BYTES 32
#define DESCENT_AT_LEVEL __attribute__((target("avx,avx2,fma,bmi,bmi2")))
#include <descent/core/simd/pack.inc>
#define DESCENT_LEVEL Avx512
#define DESCENT_BYTES 64
#define DESCENT_AT_LEVEL \
  __attribute__((target("avx,avx2,fma,bmi,bmi2,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))
#include <descent/core/simd/pack.inc>
#endif

/// Calls f with Baseline, Avx2 or Avx512, as level() says. Returns what f returns.
template <class F>
auto at_level(F f) {
#if defined(__x86_64__)
  if (level() == Level::avx512) return f(Avx512());
  if (level() == Level::avx2) return f(Avx2());
#endif
  return f(Baseline());
}

namespace packs {

/// The K-th array as a formula uses it: const if the formula takes the number by value.
template <class F, class T, std::size_t K, class Numbers>
struct Access;
template <class F, class T, std::size_t K, std::size_t... J>
struct Access<F, T, K, std::index_sequence<J...>> {
  using Pack = Baseline::Pack<T>;
  using type =
      std::conditional_t<std::is_invocable_v<const F&, std::conditional_t<K == J, Pack, Pack&>...>,
                         const T, T>;
};

/// Calls g(p...), each pointer to const if f only reads there.
template <class F, class G, std::size_t... K, class... P>
void with_access(std::index_sequence<K...> all, G g, P*... p) {
  using T = std::remove_const_t<std::common_type_t<P...>>;
  g(static_cast<std::conditional_t<std::is_const_v<P>, const T,
                                   typename Access<F, T, K, decltype(all)>::type>*>(p)...);
}

}  // namespace packs

/// Runs f over packs of p[0] to p[n-1]; all p point to float, or all to double. An array that f
/// writes must not overlap another array.
template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  packs::with_access<F>(
      std::index_sequence_for<P...>(),
      [&](auto*... q) { at_level([&](auto set) { set.loop(n, f, q...); }); }, p...);
}

/// loop_packs() with a formula that returns a std::array of terms: adds their sums to out[0],
/// out[1], …. The order of additions depends on n alone, and errors grow with log n.
template <class F, class... P>
void sum_packs(std::int64_t n, F f, double* out, P*... p) {
  packs::with_access<F>(
      std::index_sequence_for<P...>(),
      [&](auto*... q) { at_level([&](auto set) { set.sum(n, f, out, q...); }); }, p...);
}

}  // namespace DESCENT_CONFIGURATION
}  // namespace descent::simd

#undef DESCENT_SET
#undef DESCENT_COMPILER
#undef DESCENT_FLAGS
#undef DESCENT_CONFIGURATION
#undef DESCENT_JOIN
#undef DESCENT_JOIN2
