#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/gemm.h>
#include <descent/core/memory.h>
#include <descent/core/parallel.h>

#include <cblas.h>
#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

// Legend: C (M, N) = A (M, K) · B (K, N) + bias (N); MR rows and NV vectors of columns a tile.

// Declared here too: the cblas.h of another BLAS, if that is the one found, lacks them.
extern "C" {
void openblas_set_num_threads(int);
int openblas_get_num_threads(void);
}

namespace descent::kernel {
namespace {

constexpr double kBlasThreshold = 3e8;       // multiply-adds; above, packing pays
constexpr std::int64_t kTaskWork = 1 << 20;  // multiply-adds worth a task

template <class T>
struct Problem {
  std::int64_t M, N, K;
  const T* a;
  std::int64_t a_row, a_col;
  const T* b;
  std::int64_t b_row, b_col;
  T* c;           // row-major, N to a row
  const T* bias;  // one per column, or null
};

constexpr int kMaxRows = 6;

/// One tile of C. B has unit column stride here; `columns` < NV vectors only for the padded tail.
template <class V, int MR, int NV, class T>
[[gnu::always_inline]] inline void tile(std::int64_t K, const T* a, std::int64_t a_row,
                                        std::int64_t a_col, const T* b, std::int64_t b_row, T* c,
                                        std::int64_t c_row, const T* bias, std::int64_t columns) {
  constexpr int kLanes = sizeof(V) / sizeof(T);
  V sum[MR][NV];
  for (int j = 0; j < NV; ++j) {
    V start = {};
    if (bias) {
      if (columns >= (j + 1) * kLanes)
        std::memcpy(&start, bias + j * kLanes, sizeof(V));
      else
        for (std::int64_t i = j * kLanes; i < columns; ++i) start[i - j * kLanes] = bias[i];
    }
    for (int r = 0; r < MR; ++r) sum[r][j] = start;
  }
  for (std::int64_t k = 0; k < K; ++k) {
    V row[NV];
#pragma GCC unroll 8
    for (int j = 0; j < NV; ++j) std::memcpy(&row[j], b + k * b_row + j * kLanes, sizeof(V));
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) {
      const T x = a[r * a_row + k * a_col];
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) sum[r][j] += x * row[j];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
    if (columns == NV * kLanes) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) std::memcpy(c + r * c_row + j * kLanes, &sum[r][j], sizeof(V));
    } else {
      T all[NV * kLanes];
      std::memcpy(all, sum[r], sizeof(all));
      for (std::int64_t i = 0; i < columns; ++i) c[r * c_row + i] = all[i];
    }
  }
}

template <class V, int NV, class T>
[[gnu::always_inline]] inline void tile_rows(std::int64_t rows, std::int64_t K, const T* a,
                                             std::int64_t a_row, std::int64_t a_col, const T* b,
                                             std::int64_t b_row, T* c, std::int64_t c_row,
                                             const T* bias, std::int64_t columns) {
  switch (rows) {
    case 6:
      return tile<V, 6, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
    case 5:
      return tile<V, 5, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
    case 4:
      return tile<V, 4, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
    case 3:
      return tile<V, 3, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
    case 2:
      return tile<V, 2, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
    default:
      return tile<V, 1, NV>(K, a, a_row, a_col, b, b_row, c, c_row, bias, columns);
  }
}

/// C[row0, row1) × [col0, col0 + columns), with B's columns at b (unit stride, b_row apart).
template <class V, int kMaxVectors, class T>
[[gnu::always_inline]] inline void panel(const Problem<T>& p, std::int64_t row0, std::int64_t row1,
                                         std::int64_t col0, std::int64_t columns, const T* b,
                                         std::int64_t b_row) {
  constexpr std::int64_t kLanes = sizeof(V) / sizeof(T);
  const std::int64_t vectors = (columns + kLanes - 1) / kLanes;
  const std::int64_t blocks = (row1 - row0 + kMaxRows - 1) / kMaxRows;
  for (std::int64_t i = 0; i < blocks; ++i) {  // rows shared out evenly: 32 = 6+6+5+5+5+5
    const std::int64_t first = row0 + (row1 - row0) * i / blocks;
    const std::int64_t rows = row0 + (row1 - row0) * (i + 1) / blocks - first;
    const T* a = p.a + first * p.a_row;
    T* c = p.c + first * p.N + col0;
    const T* bias = p.bias ? p.bias + col0 : nullptr;
    switch (vectors) {
      case 1:
        tile_rows<V, 1>(rows, p.K, a, p.a_row, p.a_col, b, b_row, c, p.N, bias, columns);
        break;
      case 2:
        tile_rows<V, 2>(rows, p.K, a, p.a_row, p.a_col, b, b_row, c, p.N, bias, columns);
        break;
      default:
        if constexpr (kMaxVectors == 4) {
          if (vectors == 3)
            tile_rows<V, 3>(rows, p.K, a, p.a_row, p.a_col, b, b_row, c, p.N, bias, columns);
          else
            tile_rows<V, 4>(rows, p.K, a, p.a_row, p.a_col, b, b_row, c, p.N, bias, columns);
        }
    }
  }
}

template <class T, int kBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
};

template <class T>
void panel_baseline(const Problem<T>& p, std::int64_t r0, std::int64_t r1, std::int64_t c0,
                    std::int64_t columns, const T* b, std::int64_t b_row) {
  panel<typename VectorOf<T, 16>::type, 2>(p, r0, r1, c0, columns, b, b_row);
}
#if defined(__x86_64__)
template <class T>
__attribute__((target("arch=x86-64-v3"))) void panel_avx2(const Problem<T>& p, std::int64_t r0,
                                                          std::int64_t r1, std::int64_t c0,
                                                          std::int64_t columns, const T* b,
                                                          std::int64_t b_row) {
  panel<typename VectorOf<T, 32>::type, 2>(p, r0, r1, c0, columns, b, b_row);
}
template <class T>
__attribute__((target("arch=x86-64-v4"))) void panel_avx512(const Problem<T>& p, std::int64_t r0,
                                                            std::int64_t r1, std::int64_t c0,
                                                            std::int64_t columns, const T* b,
                                                            std::int64_t b_row) {
  panel<typename VectorOf<T, 64>::type, 4>(p, r0, r1, c0, columns, b, b_row);
}
#endif

template <class T>
struct Kernel {
  void (*panel)(const Problem<T>&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T*,
                std::int64_t);
  std::int64_t lanes, vectors;  // of a full tile
};

template <class T>
Kernel<T> kernel_for(simd::Level level) {
  constexpr std::int64_t kSize = sizeof(T);
#if defined(__x86_64__)
  if (level == simd::Level::avx512) return {panel_avx512<T>, 64 / kSize, 4};
  if (level == simd::Level::avx2) return {panel_avx2<T>, 32 / kSize, 2};
#endif
  return {panel_baseline<T>, 16 / kSize, 2};
}

/// A scratch block from the free lists.
template <class T>
struct Scratch {
  explicit Scratch(std::int64_t n) : bytes(static_cast<std::size_t>(n) * sizeof(T)) {
    if (bytes > 0) data = static_cast<T*>(descent::detail::allocate(bytes));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { descent::detail::deallocate(data, bytes); }
  std::size_t bytes;
  T* data = nullptr;
};

/// Copies columns [first, first + columns) of B into `to`, `width` a row, padded with zeros.
template <class T>
void pack(const Problem<T>& p, std::int64_t first, std::int64_t columns, T* to,
          std::int64_t width) {
  constexpr std::int64_t kBlock = 16;
  if (columns < width)
    for (std::int64_t k = 0; k < p.K; ++k)
      std::memset(to + k * width + columns, 0,
                  static_cast<std::size_t>(width - columns) * sizeof(T));
  for (std::int64_t k0 = 0; k0 < p.K; k0 += kBlock)
    for (std::int64_t j0 = 0; j0 < columns; j0 += kBlock)
      for (std::int64_t k = k0; k < std::min(k0 + kBlock, p.K); ++k)
        for (std::int64_t j = j0; j < std::min(j0 + kBlock, columns); ++j)
          to[k * width + j] = p.b[k * p.b_row + (first + j) * p.b_col];
}

template <class T>
void own_gemm(const Problem<T>& p) {
  static const Kernel<T> kernel = kernel_for<T>(simd::level());
  const std::int64_t full = kernel.lanes * kernel.vectors;
  // Columns in place as far as whole vectors go; the rest, or all of a transposed B, packed.
  const bool in_place = p.b_col == 1;
  const std::int64_t direct = in_place ? p.N / kernel.lanes * kernel.lanes : 0;
  const std::int64_t packed = p.N - direct;
  const std::int64_t width = (packed + kernel.lanes - 1) / kernel.lanes * kernel.lanes;
  const Scratch<T> scratch(width * p.K);
  if (packed > 0) pack(p, direct, packed, scratch.data, width);

  constexpr std::int64_t kRows = 96;
  const std::int64_t direct_panels = (direct + full - 1) / full;
  const std::int64_t panels = direct_panels + (width + full - 1) / full;
  const std::int64_t groups = (p.M + kRows - 1) / kRows;
  const std::int64_t work = std::min(p.M, kRows) * std::min(p.N, full) * p.K;
  parallel_for(
      panels * groups, std::max<std::int64_t>(1, kTaskWork / std::max<std::int64_t>(work, 1)),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t unit = begin; unit < end; ++unit) {
          const std::int64_t i = unit / groups, group = unit % groups;
          const std::int64_t row0 = p.M * group / groups, row1 = p.M * (group + 1) / groups;
          if (i < direct_panels) {
            const std::int64_t col = i * full;
            kernel.panel(p, row0, row1, col, std::min(full, direct - col), p.b + col, p.b_row);
          } else {
            const std::int64_t col = (i - direct_panels) * full;
            kernel.panel(p, row0, row1, direct + col, std::min(full, packed - col),
                         scratch.data + col, width);
          }
        }
      });
}

/// Holds OpenBLAS to one thread while any large product of ours runs.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas() {
    const std::lock_guard lock(mutex());
    if (users()++ == 0) {
      before() = openblas_get_num_threads();
      if (before() != 1) openblas_set_num_threads(1);
    }
  }
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
  ~SingleThreadedBlas() {
    const std::lock_guard lock(mutex());
    if (--users() == 0 && before() != 1) openblas_set_num_threads(before());
  }

 private:
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static int& users() {
    static int n = 0;
    return n;
  }
  static int& before() {
    static int n = 1;
    return n;
  }
};

/// How BLAS is told of an operand: transposed or not, and its leading dimension.
struct BlasOperand {
  CBLAS_TRANSPOSE trans;
  int ld;
};

/// Nothing when neither stride is 1, or a number is out of BLAS's range.
std::optional<BlasOperand> blas_operand(std::int64_t rows, std::int64_t columns, std::int64_t row,
                                        std::int64_t col) {
  constexpr std::int64_t kMost = 1 << 30;
  if (rows >= kMost || columns >= kMost) return {};
  // The stride of an extent of 1 means nothing; take what a dense operand would have.
  if (columns == 1) col = 1;
  if (rows == 1) row = columns;
  if (col == 1 && row >= columns && row < kMost) return {{CblasNoTrans, static_cast<int>(row)}};
  if (columns == 1) col = rows;
  if (row == 1 && col >= rows && col < kMost) return {{CblasTrans, static_cast<int>(col)}};
  return {};
}

template <class T>
void blas_tile(const Problem<T>& p, BlasOperand a_form, BlasOperand b_form, std::int64_t row0,
               std::int64_t rows, std::int64_t col0, std::int64_t columns) {
  const int ldc = static_cast<int>(p.N), m = static_cast<int>(rows), n = static_cast<int>(columns),
            k = static_cast<int>(p.K);
  const T* a = p.a + row0 * p.a_row;
  const T* b = p.b + col0 * p.b_col;
  T* c = p.c + row0 * p.N + col0;
  if (p.bias)
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(p.bias + col0, columns, c + r * p.N);
  const T beta = p.bias ? 1 : 0;
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemm(CblasRowMajor, a_form.trans, b_form.trans, m, n, k, 1, a, a_form.ld, b, b_form.ld,
                beta, c, ldc);
  else
    cblas_dgemm(CblasRowMajor, a_form.trans, b_form.trans, m, n, k, 1, a, a_form.ld, b, b_form.ld,
                beta, c, ldc);
}

template <class T>
void gemm(const Problem<T>& p) {
  if (p.M == 0 || p.N == 0) return;
  const double work =
      static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K);
  const auto a = blas_operand(p.M, p.K, p.a_row, p.a_col),
             b = blas_operand(p.K, p.N, p.b_row, p.b_col);
  if (work <= kBlasThreshold || !a || !b) return own_gemm(p);
  constexpr std::int64_t kRows = 256, kColumns = 1024;
  const std::int64_t down = (p.M + kRows - 1) / kRows, across = (p.N + kColumns - 1) / kColumns;
  const SingleThreadedBlas single;
  parallel_for(down * across, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit % down * kRows, col = unit / down * kColumns;
      blas_tile(p, *a, *b, row, std::min(kRows, p.M - row), col, std::min(kColumns, p.N - col));
    }
  });
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& y) {
  const DType dtype = promote(promote(x.dtype(), y.dtype()), kInt64);
  if (dtype == kInt64)  // exact while sums stay below 2^53
    return cast(matmul(cast(x, kFloat64), cast(y, kFloat64)), kInt64);
  const Tensor a = cast(x, dtype), b = cast(y, dtype);
  const int ra = a.shape().rank(), rb = b.shape().rank();
  const std::int64_t M = a.shape()[ra - 2], K = a.shape()[ra - 1], N = b.shape()[rb - 1];
  const Shape batch = broadcast_shapes("matmul", Shape(a.shape().begin(), a.shape().end() - 2),
                                       Shape(b.shape().begin(), b.shape().end() - 2));
  Shape shape = batch, a_shape = batch, b_shape = batch;
  shape.push_back(M), shape.push_back(N);
  a_shape.push_back(M), a_shape.push_back(K);
  b_shape.push_back(K), b_shape.push_back(N);
  Tensor out = empty(shape, dtype);
  const Tensor wide_a = broadcast_to(a, a_shape), wide_b = broadcast_to(b, b_shape);
  const Shape &sa = wide_a.strides(), &sb = wide_b.strides();
  const int rank = batch.rank();

  dispatch_floating(dtype, [&]<class T>(T) {
    const std::int64_t work = std::max<std::int64_t>(1, M * N * K);
    parallel_for(batch.numel(), std::max<std::int64_t>(1, kTaskWork / work),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     std::int64_t index = i, a_at = 0, b_at = 0;
                     for (int d = rank - 1; d >= 0; --d) {
                       a_at += index % batch[d] * sa[d];
                       b_at += index % batch[d] * sb[d];
                       index /= batch[d];
                     }
                     gemm<T>({M, N, K, wide_a.data_ptr<T>() + a_at, sa[rank], sa[rank + 1],
                              wide_b.data_ptr<T>() + b_at, sb[rank], sb[rank + 1],
                              out.data_ptr<T>() + i * M * N, nullptr});
                   }
                 });
  });
  return out;
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  const std::int64_t M = x.shape()[0], K = x.shape()[1], N = w.shape()[0];
  Tensor out = empty({M, N}, x.dtype());
  const Tensor flat_bias = bias.defined() ? contiguous(bias) : bias;
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    gemm<T>({M, N, K, x.data_ptr<T>(), x.strides()[0], x.strides()[1], w.data_ptr<T>(),
             w.strides()[1], w.strides()[0], out.data_ptr<T>(),
             bias.defined() ? flat_bias.data_ptr<T>() : nullptr});
  });
  return out;
}

}  // namespace descent::kernel
