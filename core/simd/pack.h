// Packs: a formula that is written for one number runs on 2 to 16 numbers at once.
//
//   simd::loop_packs(n, [=](auto& w, auto g, auto& v) {
//     v += g * g;
//     w -= eta * g / (sqrt(v) + eps);
//   }, w, g, v);
//
// The loop hands packs to the formula. A pack is a few numbers that lie side by side in memory: 16,
// 32 or 64 bytes of floats or doubles, as the processor allows. If a formula only reads a number,
// it takes the number by value (auto). If a formula writes a number, it takes the number by
// reference (auto&).
//
// What a formula may use on packs. Packs and plain numbers mix.
//
//   + − * /  += −= *= /=     work as on numbers
//   < <= > >= == !=          give a mask; & | ! combine masks
//   where(mask, a, b)        gives a where the mask holds, b elsewhere; replaces ?: and if
//   sqrt(a), abs(a)          work as on numbers
//   sign(a)                  gives −1, 0 or 1; 0 for NaN
//   max(a, b), min(a, b)     give b if a or b is NaN
//   fma(a, b, c)             gives a·b + c
//   ratio(a, b)              gives a/b, and 0 where b is 0
//
// Write these names without std:: or any other prefix, so that the compiler finds those of packs.
//
// fma() rounds once for floats under AVX-512, and twice otherwise. ratio() is for formulas that
// divide floats: under AVX-512 it does without the processor's divider, which is slower than
// memory. The quotient is then within 1.5 units in the last place. It is 0 where b is subnormal or
// infinite, and may be 0 from |b| = 2¹²⁶ on.
//
// A formula gives the same bits in every file, whatever the file's optimisation and instruction
// set: the compiler never fuses a product and a sum, and the ends of arrays go through the same
// arithmetic. Flags that allow the compiler to change arithmetic do change bits: -ffast-math, and
// -ffp-contract=fast of clang. In double, or
// without fma() and ratio(), a formula also gives the same bits on every processor.
#pragma once

#include <descent/core/simd/level.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

// The name of the inline namespace below holds the file's instruction set, compiler and
// optimisation. Two files with different flags therefore compile different symbols, and the linker
// never takes the code of one file for that of the other.
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

/// Stands for the flags of the file that includes this header. A template that has Configuration
/// among its arguments is another template in a file with other flags.
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

/// The type of the elements of array K: const T if formula F takes argument K by value, else T.
template <class F, class T, std::size_t K, class Numbers>
struct Access;
template <class F, class T, std::size_t K, std::size_t... J>
struct Access<F, T, K, std::index_sequence<J...>> {
  using Pack = Baseline::Pack<T>;
  using type =
      std::conditional_t<std::is_invocable_v<const F&, std::conditional_t<K == J, Pack, Pack&>...>,
                         const T, T>;
};

/// Calls g(p...). If formula F only reads an array, g gets a pointer to const for that array.
template <class F, class G, std::size_t... K, class... P>
void with_access(std::index_sequence<K...> all, G g, P*... p) {
  using T = std::remove_const_t<std::common_type_t<P...>>;
  g(static_cast<std::conditional_t<std::is_const_v<P>, const T,
                                   typename Access<F, T, K, decltype(all)>::type>*>(p)...);
}

}  // namespace packs

/// Runs the formula f on the first n numbers of the arrays p, a pack at a time. All p point to
/// float, or all to double. If f writes an array, no other array may overlap that array.
template <class F, class... P>
void loop_packs(std::int64_t n, F f, P*... p) {
  packs::with_access<F>(
      std::index_sequence_for<P...>(),
      [&](auto*... q) { at_level([&](auto set) { set.loop(n, f, q...); }); }, p...);
}

/// Runs the formula f as loop_packs() does, and adds up what f returns: a std::array of terms. The
/// sum of the first terms is added to out[0], that of the second to out[1], and so on. The order of
/// additions depends on n alone. Rounding errors grow with log n.
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
