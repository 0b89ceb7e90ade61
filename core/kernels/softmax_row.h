// exp(x − max x) of one row, which softmax, log-softmax and cross-entropy share.
#pragma once

#include <descent/core/kernels/math.h>

#include <cstdint>
#include <limits>

namespace descent::kernel {

inline constexpr int kRowLanes = 16, kWideLanes = 4 * kRowLanes;

/// Folds an array of lanes with f, in a fixed order.
template <class T, class F>
[[gnu::always_inline]] inline T fold_lanes(T (&lanes)[kRowLanes], F f) {
  for (int half = kRowLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] = f(lanes[k], lanes[k + half]);
  return lanes[0];
}

/// Adds the lanes of a block to the lanes of a row.
template <class T>
[[gnu::always_inline]] inline void add_lanes(const T (&block)[kRowLanes],
                                             double (&row)[kRowLanes]) {
  for (int k = 0; k < kRowLanes; ++k) row[k] += static_cast<double>(block[k]);
}
[[gnu::always_inline]] inline double sum_of_lanes(double (&lanes)[kRowLanes]) {
  return fold_lanes(lanes, [](double a, double b) { return a + b; });
}

/// The end of the block that begins at i. The sum of a block has at most 16 terms in a lane. The
/// sums of blocks are added in double.
[[gnu::always_inline]] inline std::int64_t block_end(std::int64_t i, std::int64_t n) {
  constexpr std::int64_t kBlock = 16 * kRowLanes;
  return n - i < kBlock ? n : i + kBlock;
}

template <class T>
struct RowSoftmax {
  T max, total;
};

/// Writes p = exp(x − max x) for n >= 1 elements. Returns the maximum and the sum of p. The order
/// of addition depends on n alone. p must not be x.
template <class T>
[[gnu::always_inline]] inline RowSoftmax<T> exp_row(const T* __restrict x, T* __restrict p,
                                                    std::int64_t n) {
  T high[kRowLanes], last[kRowLanes];
  const std::int64_t whole = n / kRowLanes * kRowLanes;
  for (int k = 0; k < kRowLanes; ++k) last[k] = -std::numeric_limits<T>::infinity();
  for (std::int64_t i = whole; i < n; ++i) last[i - whole] = x[i];
  for (int k = 0; k < kRowLanes; ++k) high[k] = last[k];
  std::int64_t at = 0;
  if (n >= kWideLanes) {  // four maxima for each lane: no comparison waits for another
    T wide[kWideLanes];
    for (int k = 0; k < kWideLanes; ++k) wide[k] = x[k];
    for (at = kWideLanes; at + kWideLanes <= n; at += kWideLanes)
      for (int k = 0; k < kWideLanes; ++k) wide[k] = x[at + k] > wide[k] ? x[at + k] : wide[k];
    for (int j = 0; j < kWideLanes; j += kRowLanes)
      for (int k = 0; k < kRowLanes; ++k) high[k] = wide[j + k] > high[k] ? wide[j + k] : high[k];
  }
  for (; at < whole; at += kRowLanes)
    for (int k = 0; k < kRowLanes; ++k) high[k] = x[at + k] > high[k] ? x[at + k] : high[k];
  const T m = fold_lanes(high, [](T a, T b) { return a > b ? a : b; });
  double total[kRowLanes] = {};
  for (std::int64_t first = 0; first < whole; first = block_end(first, whole)) {
    T sum[kRowLanes] = {};
    for (std::int64_t i = first, end = block_end(first, whole); i < end; i += kRowLanes)
      for (int k = 0; k < kRowLanes; ++k) sum[k] += p[i + k] = math::exp_below_zero(x[i + k] - m);
    add_lanes(sum, total);
  }
  if (whole < n) {
    for (int k = 0; k < kRowLanes; ++k) last[k] = math::exp_below_zero(last[k] - m);
    for (int k = 0; k < kRowLanes; ++k)
      total[k] += static_cast<double>(k < n - whole ? last[k] : T(0));
    for (std::int64_t j = whole; j < n; ++j) p[j] = last[j - whole];
  }
  return {m, static_cast<T>(sum_of_lanes(total))};
}

/// Writes p = exp(x) in one pass, without a shift, and returns the sum of p. If a number of the row
/// lies outside [−40, 40], returns 0, and p is meaningless. p must not be x.
[[gnu::always_inline]] inline float small_exp_row(const float* __restrict x, float* __restrict p,
                                                  std::int64_t n) {
  std::uint32_t high[kRowLanes] = {};  // |x| as bits, where NaN is the largest
  const auto magnitude = [](float v) { return std::bit_cast<std::uint32_t>(v) & 0x7fffffffu; };
  const std::int64_t whole = n / kRowLanes * kRowLanes;
  double total[kRowLanes] = {};
  for (std::int64_t first = 0; first < whole; first = block_end(first, whole)) {
    float sum[kRowLanes] = {};
    std::uint32_t top[kRowLanes] = {};
    for (std::int64_t i = first, end = block_end(first, whole); i < end; i += kRowLanes)
      for (int k = 0; k < kRowLanes; ++k) {
        const std::uint32_t bits = magnitude(x[i + k]);
        top[k] = bits > top[k] ? bits : top[k];
        sum[k] += p[i + k] = math::exp_within(x[i + k]);
      }
    for (int k = 0; k < kRowLanes; ++k) high[k] = top[k] > high[k] ? top[k] : high[k];
    add_lanes(sum, total);
  }
  for (std::int64_t i = whole; i < n; ++i) {
    const std::uint32_t bits = magnitude(x[i]);
    high[i - whole] = bits > high[i - whole] ? bits : high[i - whole];
    total[i - whole] += static_cast<double>(p[i] = math::exp_within(x[i]));
  }
  const auto most =
      fold_lanes(high, [](std::uint32_t a, std::uint32_t b) { return a > b ? a : b; });
  if (most > std::bit_cast<std::uint32_t>(40.0f)) return 0;
  return static_cast<float>(sum_of_lanes(total));
}
inline double small_exp_row(const double*, double*, std::int64_t) { return 0; }

}  // namespace descent::kernel
