// The innermost loops of a product, compiled for each instruction set. A tile is a small block of C
// whose sums stay in registers. Internal to gemm.cpp, which cuts products up and packs operands.
// Legend: MR rows and NV vectors of columns a tile; A (rows, K), B (K, columns), C (rows, columns).
#pragma once

#include <descent/core/simd/loop.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace descent::kernel {

inline constexpr int kMaxRows = 6;

/// Copies n < kMost elements by two copies, which may overlap. The length of both copies is the
/// same power of two.
template <int kMost, class T>
[[gnu::always_inline]] inline void copy_few(T* to, const T* from, std::int64_t n) {
  if constexpr (kMost > 1) {
    constexpr int kHalf = kMost / 2;
    if (n < kHalf) return copy_few<kHalf>(to, from, n);
    std::memcpy(to, from, kHalf * sizeof(T));
    std::memcpy(to + n - kHalf, from + n - kHalf, kHalf * sizeof(T));
  }
}

/// Copies the rows of a tile to C, or back. The first `full` rows are copied as whole vectors. Of
/// the other rows only `columns` elements are copied.
template <class T>
[[gnu::noinline]] void copy_rows(const T* from, std::int64_t from_row, T* to, std::int64_t to_row,
                                 std::int64_t rows, std::int64_t full, std::int64_t columns,
                                 std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r)
    std::copy_n(from + r * from_row, r < full ? width : columns, to + r * to_row);
}

/// Computes one tile of C: a sum over k in [0, K). The sum starts from the bias, or is added to C
/// if go_on is true. Each row of B, and the bias, can be read as NV whole vectors, but only the
/// first `columns` elements belong to the tile. The first `full` rows of C can be written as whole
/// vectors too: the next rows overwrite the elements that stick out.
template <class V, int MR, int NV, class T>
[[gnu::always_inline]] inline void tile(std::int64_t K, const T* a, std::int64_t a_row,
                                        std::int64_t a_col, const T* b, std::int64_t b_row, T* c,
                                        std::int64_t c_row, const T* bias, bool go_on,
                                        std::int64_t columns, std::int64_t full) {
  constexpr int kLanes = sizeof(V) / sizeof(T), kWidth = NV * kLanes;
  V sum[MR][NV], start[NV] = {};
  if (bias)
#pragma GCC unroll 16
    for (int j = 0; j < NV; ++j) std::memcpy(&start[j], bias + j * kLanes, sizeof(V));
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 16
    for (int j = 0; j < NV; ++j) sum[r][j] = start[j];
  for (std::int64_t k = 0; k < K; ++k) {
    V row[NV];
#pragma GCC unroll 16
    for (int j = 0; j < NV; ++j) std::memcpy(&row[j], b + k * b_row + j * kLanes, sizeof(V));
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r) {
      const T x = a[r * a_row + k * a_col];
#pragma GCC unroll 16
      for (int j = 0; j < NV; ++j) sum[r][j] += x * row[j];
    }
  }
  T rows[MR * kWidth];
  const bool whole = full >= MR;
  T* to = whole ? c : rows;
  const std::int64_t to_row = whole ? c_row : kWidth;
  if (go_on) {
    if (!whole) copy_rows(c, c_row, rows, kWidth, MR, full, columns, kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r)
#pragma GCC unroll 16
      for (int j = 0; j < NV; ++j) {
        V before;
        std::memcpy(&before, to + r * to_row + j * kLanes, sizeof(V));
        sum[r][j] += before;
      }
  }
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 16
    for (int j = 0; j < NV; ++j) std::memcpy(to + r * to_row + j * kLanes, &sum[r][j], sizeof(V));
  if (!whole) copy_rows(rows, kWidth, c, c_row, MR, full, columns, kWidth);
}

/// A piece of a problem as the tiles see it: `rows` rows and at most one panel of columns.
template <class T>
struct Strip {
  std::int64_t rows, columns, K;
  const T* a;
  std::int64_t a_row, a_col;
  std::int64_t a_block;  // from six rows of A to the next six
  const T* b;
  std::int64_t b_row;
  T* c;
  std::int64_t c_row;
  const T* bias;  // whole vectors
  bool go_on;
  std::int64_t full_rows;  // rows of C that may be written as whole vectors
};

template <class V, int MR, int NV, class T>
[[gnu::always_inline]] inline void tile_of(const Strip<T>& s, const T* a, T* c, std::int64_t full) {
  tile<V, MR, NV>(s.K, a, s.a_row, s.a_col, s.b, s.b_row, c, s.c_row, s.bias, s.go_on, s.columns,
                  full);
}

template <class V, int MR, class T>
[[gnu::always_inline]] inline void tile_columns(const Strip<T>& s, const T* a, T* c,
                                                std::int64_t full) {
  constexpr std::int64_t kLanes = sizeof(V) / sizeof(T);
  switch ((s.columns + kLanes - 1) / kLanes) {
    case 1:
      return tile_of<V, MR, 1>(s, a, c, full);
    case 2:
      return tile_of<V, MR, 2>(s, a, c, full);
    default:
      if constexpr (sizeof(V) == 64 && MR <= kMaxRows) {
        if (s.columns <= 3 * kLanes) return tile_of<V, MR, 3>(s, a, c, full);
        return tile_of<V, MR, 4>(s, a, c, full);
      }
  }
}

template <class V, class T>
[[gnu::always_inline]] inline void strip(const Strip<T>& s) {
  constexpr std::int64_t kLanes = sizeof(V) / sizeof(T);
  const T* a = s.a;
  T* c = s.c;
  for (std::int64_t left = s.rows; left > 0;) {
    const std::int64_t full = s.full_rows - (s.rows - left);
    // A narrow strip takes twelve rows at a time, so that it has as many independent sums as a wide
    // tile.
    if (left >= 2 * kMaxRows && s.columns <= 2 * kLanes && s.a_block == kMaxRows * s.a_row) {
      tile_columns<V, 2 * kMaxRows>(s, a, c, full);
      a += 2 * s.a_block;
      c += 2 * kMaxRows * s.c_row;
      left -= 2 * kMaxRows;
      continue;
    }
    // Takes six rows at a time. If 7 to 11 rows are left, takes half of these: 8 rows become 4 and
    // 4, not 6 and 2.
    const std::int64_t rows = left >= 2 * kMaxRows || s.a_block != kMaxRows * s.a_row
                                  ? std::min<std::int64_t>(left, kMaxRows)
                              : left > kMaxRows ? (left + 1) / 2
                                                : left;
    switch (rows) {
      case 6:
        tile_columns<V, 6>(s, a, c, full);
        break;
      case 5:
        tile_columns<V, 5>(s, a, c, full);
        break;
      case 4:
        tile_columns<V, 4>(s, a, c, full);
        break;
      case 3:
        tile_columns<V, 3>(s, a, c, full);
        break;
      case 2:
        tile_columns<V, 2>(s, a, c, full);
        break;
      default:
        tile_columns<V, 1>(s, a, c, full);
    }
    a += rows == kMaxRows ? s.a_block : rows * s.a_row;
    c += rows * s.c_row;
    left -= rows;
  }
}

template <class T, int kBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
};

template <class T>
void strip_baseline(const Strip<T>& s) {
  strip<typename VectorOf<T, 16>::type>(s);
}
#if defined(__x86_64__)
template <class T>
__attribute__((target("arch=x86-64-v3"))) void strip_avx2(const Strip<T>& s) {
  strip<typename VectorOf<T, 32>::type>(s);
}
template <class T>
__attribute__((target("arch=x86-64-v4"))) void strip_avx512(const Strip<T>& s) {
  strip<typename VectorOf<T, 64>::type>(s);
}
#endif

template <class T>
struct TileKernel {
  void (*strip)(const Strip<T>&);
  std::int64_t lanes, panel;  // in elements: a vector, and the columns of a full tile
};

template <class T>
TileKernel<T> tile_kernel_for(simd::Level level) {
  constexpr std::int64_t kSize = sizeof(T);
#if defined(__x86_64__)
  if (level == simd::Level::avx512) return {strip_avx512<T>, 64 / kSize, 4 * 64 / kSize};
  if (level == simd::Level::avx2) return {strip_avx2<T>, 32 / kSize, 2 * 32 / kSize};
#endif
  return {strip_baseline<T>, 16 / kSize, 2 * 16 / kSize};
}

template <class T>
const TileKernel<T>& tile_kernel() {
  static const TileKernel<T> chosen = tile_kernel_for<T>(simd::level());
  return chosen;
}

}  // namespace descent::kernel
