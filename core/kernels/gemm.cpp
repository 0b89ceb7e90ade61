#include <descent/core/kernels/activation.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/gemm.h>
#include <descent/core/kernels/gemm_tile.h>
#include <descent/core/kernels/math.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/launch.h>
#include <descent/core/memory.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Legend: C (M, N) = A (M, K) · B (K, N) + bias (N); MR rows and NV vectors of columns a tile.

namespace descent::kernel {

using detail::launch;

namespace {

constexpr double kParallelWork = 1.5e6;  // multiply-adds worth waking a thread

template <class T>
struct Problem {
  std::int64_t M, N, K;
  const T* a;
  std::int64_t a_row, a_col;
  const T* b;
  std::int64_t b_row, b_col;
  T* c;           // row-major, N to a row
  const T* bias;  // one per column, or null
  Activation activation = Activation::none;
  std::int64_t a_next = 0, b_next = 0;  // to the next product of a stack; 0 if all have the same

  /// Product i of a stack.
  Problem item(std::int64_t i) const {
    Problem p = *this;
    p.a += i * a_next, p.b += i * b_next, p.c += i * M * N;
    if (bias) p.bias += i * N;
    return p;
  }
};

/// Scratch memory, from the free lists of the thread that does the work.
template <class T>
struct Scratch {
  explicit Scratch(std::int64_t n) : bytes(static_cast<std::size_t>(n) * sizeof(T)) {
    if (bytes > 0) data = static_cast<T*>(descent::detail::allocate(bytes));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (bytes > 0) descent::detail::deallocate(data, bytes);
  }
  std::size_t bytes;
  T* data = nullptr;
};

/// Transposes: to[c·to_row + r] = from[r·from_row + c]. It goes by squares of 16, each of which
/// fills whole cache lines of `to`.
template <class T>
void transpose(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
               std::int64_t to_row) {
  constexpr std::int64_t kSquare = 16;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kSquare)
    for (std::int64_t c0 = 0; c0 < columns; c0 += 4) {
      const std::int64_t r1 = std::min(r0 + kSquare, rows), c1 = std::min(c0 + 4, columns);
      std::int64_t r = r0;
#if defined(__SSE2__)
      if constexpr (std::is_same_v<T, float>)
        for (; r + 4 <= r1 && c0 + 4 <= columns; r += 4) {
          const T* in = from + r * from_row + c0;
          __m128 v0 = _mm_loadu_ps(in), v1 = _mm_loadu_ps(in + from_row),
                 v2 = _mm_loadu_ps(in + 2 * from_row), v3 = _mm_loadu_ps(in + 3 * from_row);
          _MM_TRANSPOSE4_PS(v0, v1, v2, v3);
          T* out = to + c0 * to_row + r;
          _mm_storeu_ps(out, v0);
          _mm_storeu_ps(out + to_row, v1);
          _mm_storeu_ps(out + 2 * to_row, v2);
          _mm_storeu_ps(out + 3 * to_row, v3);
        }
      else
        for (; r + 2 <= r1 && c0 + 4 <= columns; r += 2)
          for (std::int64_t c = c0; c < c0 + 4; c += 2) {
            const T* in = from + r * from_row + c;
            const __m128d v0 = _mm_loadu_pd(in), v1 = _mm_loadu_pd(in + from_row);
            T* out = to + c * to_row + r;
            _mm_storeu_pd(out, _mm_unpacklo_pd(v0, v1));
            _mm_storeu_pd(out + to_row, _mm_unpackhi_pd(v0, v1));
          }
#endif
      for (; r < r1; ++r)
        for (std::int64_t c = c0; c < c1; ++c) to[c * to_row + r] = from[r * from_row + c];
    }
}

/// Packs rows [k0, k1) and columns [first, first + columns) of B into rows of `width` elements.
template <class T>
void pack_b(const Problem<T>& p, std::int64_t k0, std::int64_t k1, std::int64_t first,
            std::int64_t columns, T* to, std::int64_t width) {
  constexpr int kFew = 16;
  const T* from = p.b + k0 * p.b_row + first * p.b_col;
  if (columns < width) std::fill_n(to, (k1 - k0) * width, T(0));
  if (p.b_row == 1) {
    transpose(from, p.b_col, columns, k1 - k0, to, width);
  } else if (p.b_col == 1 && columns < kFew) {
    for (std::int64_t k = 0; k < k1 - k0; ++k)
      copy_few<kFew>(to + k * width, from + k * p.b_row, columns);
  } else if (p.b_col == 1) {
    for (std::int64_t k = 0; k < k1 - k0; ++k)
      std::memcpy(to + k * width, from + k * p.b_row,
                  static_cast<std::size_t>(columns) * sizeof(T));
  } else {
    for (std::int64_t k = 0; k < k1 - k0; ++k)
      for (std::int64_t j = 0; j < columns; ++j)
        to[k * width + j] = from[k * p.b_row + j * p.b_col];
  }
}

/// Packs rows of A in blocks of six: for each k, the six elements lie side by side.
template <class T>
void pack_a(const Problem<T>& p, std::int64_t row0, std::int64_t rows, std::int64_t k0,
            std::int64_t k1, T* to) {
  for (std::int64_t r = 0; r < rows; r += kMaxRows) {
    const std::int64_t n = std::min<std::int64_t>(kMaxRows, rows - r);
    const T* from = p.a + (row0 + r) * p.a_row + k0 * p.a_col;
    if (p.a_col == 1) {
      transpose(from, p.a_row, n, k1 - k0, to, kMaxRows);
      to += (k1 - k0) * kMaxRows;
    } else if (p.a_row == 1 && n == kMaxRows) {
      for (std::int64_t k = k0; k < k1; ++k, from += p.a_col, to += kMaxRows)
        std::memcpy(to, from, kMaxRows * sizeof(T));
    } else {
      for (std::int64_t k = k0; k < k1; ++k, from += p.a_col, to += kMaxRows)
        for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * p.a_row];
    }
  }
}

/// Calls f(element of C, element of each `dense`) for a block of C. The arrays `dense` hold the
/// elements of the block alone.
template <class T, class F, class... D>
void map_rows(T* c, std::int64_t c_row, std::int64_t rows, std::int64_t columns, F f, D*... dense) {
  if (columns == c_row) return simd::loop(rows * columns, f, c, dense...);
  for (std::int64_t r = 0; r < rows; ++r)
    simd::loop(columns, f, c + r * c_row, (dense + r * columns)...);
}

template <class T>
void activate(Activation activation, T* c, std::int64_t c_row, std::int64_t rows,
              std::int64_t columns) {
  if (activation == Activation::relu)
    map_rows(c, c_row, rows, columns, [](T& v) { v = v < 0 ? T(0) : v; });
  if (activation == Activation::tanh)
    map_rows(c, c_row, rows, columns, [](T& v) { v = math::tanh(v); });
  if (activation == Activation::sigmoid)
    map_rows(c, c_row, rows, columns, [](T& v) { v = math::sigmoid(v); });
}

/// A product that is cut into units of work, each a block of C. The cut depends on the sizes alone,
/// and so does the order of every sum over k. The result therefore has the same bits for any number
/// of threads.
///
/// The rounding errors of a sum grow with the number of its terms. A sum over k is therefore made
/// in up to three stages: of at most kDepth terms in registers, of kBlocks such sums in C, and of
/// these in double.
template <class T>
class Product {
 public:
  Product() = default;  // of nothing
  explicit Product(const Problem<T>& p) : p_(p) {
    if (p.M == 0 || p.N == 0) return;
    const TileKernel<T>& own = tile_kernel<T>();
    // A is read once for each panel. Rows of A that lie far apart are worth packing if there are
    // many panels, and columns if there are two.
    a_packed_ = std::max(p.a_row, p.a_col) * kSize >= kLongStride &&
                p.N >= (p.a_col == 1 ? 32 : 2) * own.panel && p.M >= 4 * kMaxRows && p.K >= 64;
    b_packed_ = p.b_col != 1 || p.b_row < p.N ||
                (p.b_row * kSize >= kLongStride && p.M >= 192 && p.K >= 64);
    rows_ = std::min<std::int64_t>(p.M, a_packed_ ? 256 : 512);
    columns_ = std::min((p.N + own.panel - 1) / own.panel * own.panel, kColumns);
    // If there is enough work for several threads, cuts the product into more units. Does not cut
    // an operand that is packed: both units would have to pack the operand.
    if (work() >= kParallelWork) {
      while (units() < kUnits && !a_packed_ && columns_ > own.panel)
        columns_ = (columns_ / 2 + own.panel - 1) / own.panel * own.panel;
      while (units() < kUnits && !b_packed_ && rows_ >= 4 * kMaxRows) rows_ = (rows_ + 1) / 2;
    }
    down_ = (p.M + rows_ - 1) / rows_;
    units_ = units();
    blocks_ = (p.K + kDepth - 1) / kDepth;
    depth_ = blocks_ > 0 ? (p.K + blocks_ - 1) / blocks_ : 1;
  }
  std::int64_t size() const { return units_; }
  /// Multiply-adds.
  double work() const {
    return static_cast<double>(p_.M) * static_cast<double>(p_.N) * static_cast<double>(p_.K);
  }

  /// Computes a unit of the product of one item.
  void run(std::int64_t item, std::int64_t unit) const {
    item == 0 ? compute(p_, unit) : compute(p_.item(item), unit);
  }

 private:
  void compute(const Problem<T>& p, std::int64_t unit) const {
    const std::int64_t across = down_ == 1 ? unit : unit / down_;
    const std::int64_t row0 = (unit - across * down_) * rows_, col0 = across * columns_;
    const std::int64_t rows = std::min(rows_, p.M - row0);
    const std::int64_t columns = std::min(columns_, p.N - col0);
    const TileKernel<T>& own = tile_kernel<T>();
    const std::int64_t mask = own.lanes - 1;  // a power of two, less one
    const std::int64_t padded = (columns + mask) & ~mask, blocks = blocks_, depth = depth_;
    const Scratch<T> a_copy(a_packed_ ? (rows + kMaxRows - 1) / kMaxRows * kMaxRows * depth : 0);
    const bool b_partial = (columns & mask) != 0;
    const Scratch<T> b_copy(b_packed_ || b_partial ? depth * std::min(own.panel, padded) : 0);
    const bool deep = sizeof(T) == sizeof(float) && blocks > kBlocks;
    const Scratch<double> total(deep ? rows * columns : 0);
    if (deep) std::fill_n(total.data, rows * columns, 0.0);
    for (std::int64_t k0 = 0; k0 == 0 || k0 < p.K; k0 += depth) {
      const std::int64_t k1 = std::min(k0 + depth, p.K), block = k0 / depth;
      if (a_packed_) pack_a(p, row0, rows, k0, k1, a_copy.data);
      for (std::int64_t col = col0; col < col0 + columns; col += own.panel) {
        const std::int64_t width = std::min(own.panel, col0 + columns - col);
        Strip<T> s{rows,
                   width,
                   k1 - k0,
                   p.a + row0 * p.a_row + k0 * p.a_col,
                   p.a_row,
                   p.a_col,
                   kMaxRows * p.a_row,
                   p.b + k0 * p.b_row + col,
                   p.b_row,
                   p.c + row0 * p.N + col,
                   p.N,
                   p.bias && k0 == 0 ? p.bias + col : nullptr,
                   deep ? block % kBlocks > 0 : block > 0,
                   rows};
        if (a_packed_) {
          s.a = a_copy.data;
          s.a_row = 1;
          s.a_col = kMaxRows;
          s.a_block = kMaxRows * (k1 - k0);
        }
        if (b_packed_ || (width & mask) != 0) {
          s.b = b_copy.data;
          s.b_row = (width + mask) & ~mask;
          pack_b(p, k0, k1, col, width, b_copy.data, s.b_row);
        }
        const std::int64_t beyond = -width & mask;
        alignas(64) T bias[64];
        if (beyond > 0) {
          // If a row of C is no wider than this panel, its last vector sticks out and overwrites
          // the start of the next row. In the first pass over K this does no harm, because the next
          // row holds no sums yet.
          s.full_rows = p.N == width && blocks == 1 ? rows - (beyond + width - 1) / width : 0;
          if (s.bias) {
            std::memset(bias + (width & ~mask), 0, sizeof(T) * own.lanes);
            std::memcpy(bias, s.bias, static_cast<std::size_t>(width) * sizeof(T));
            s.bias = bias;
          }
        }
        own.strip(s);
      }
      if (deep && (block % kBlocks == kBlocks - 1 || k1 == p.K))
        map_rows(
            p.c + row0 * p.N + col0, p.N, rows, columns,
            [last = k1 == p.K](T& v, double& sum) {
              sum += static_cast<double>(v);
              v = last ? static_cast<T>(sum) : v;
            },
            total.data);
    }
    activate(p.activation, p.c + row0 * p.N + col0, p.N, rows, columns);
  }

  // kColumns: the most columns of C in a unit. kDepth: the most elements of K in a pass. kBlocks:
  // the most passes that C itself adds up. If rows lie kLongStride bytes or more apart, they are
  // packed: few such rows fit the cache together.
  static constexpr std::int64_t kSize = sizeof(T), kColumns = 1024, kDepth = 512, kBlocks = 16,
                                kUnits = 8, kLongStride = 2048;

  std::int64_t units() const {
    return ((p_.M + rows_ - 1) / rows_) * ((p_.N + columns_ - 1) / columns_);
  }

  Problem<T> p_{};
  std::int64_t units_ = 0, down_ = 0;
  std::int64_t rows_ = 0, columns_ = 0;  // of a unit
  std::int64_t blocks_ = 0, depth_ = 1;  // of K: how many passes, and how deep
  bool a_packed_ = false, b_packed_ = false;
};

/// How many items of a stack make a piece for a thread: all, if the work is not worth a second one.
/// An item does `work` multiply-adds, and costs as much as kItem more: small ones consist of that.
std::int64_t items_of_a_piece(std::int64_t items, double work) {
  constexpr double kItem = 8192, kPiece = kParallelWork / 8;
  const double cost = work + kItem;
  if (static_cast<double>(items) * cost < kParallelWork) return std::max<std::int64_t>(items, 1);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(kPiece / cost));
}

/// Runs the units of one or more products for each item of a stack, on several threads if there is
/// enough work.
template <class T, std::size_t N>
void run_together(std::int64_t items, const std::array<Product<T>, N>& products) {
  std::int64_t units = 0;
  double work = 0;
  for (const Product<T>& p : products) {
    units += p.size();
    work += p.work();
  }
  parallel_for(items * units, work >= kParallelWork ? 1 : units * items_of_a_piece(items, work),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   std::int64_t i = k % units;
                   const Product<T>* p = products.data();
                   for (; i >= p->size(); ++p) i -= p->size();
                   p->run(k / units, i);
                 }
               });
}

/// The last two dimensions of a tensor, for the first item of a batch.
template <class T>
struct Matrix {
  explicit Matrix(const Tensor& m) {
    const int r = m.shape().rank() - 2;
    start = data<T>(m);
    rows = m.shape()[r], columns = m.shape()[r + 1];
    row = m.strides()[r], column = m.strides()[r + 1];
    next = r == 1 ? m.strides()[0] : 0;
  }
  Matrix t() const {
    Matrix m = *this;
    std::swap(m.rows, m.columns), std::swap(m.row, m.column);
    return m;
  }
  T* start;
  std::int64_t rows, columns;
  std::int64_t row, column, next;  // from one to the next; `next` of a stack, else 0
};

template <class T>
Problem<T> problem_of(const Matrix<T>& a, const Matrix<T>& b, T* c) {
  return {a.rows,   b.columns, a.columns, a.start,          a.row,  a.column, b.start, b.row,
          b.column, c,         nullptr,   Activation::none, a.next, b.next};
}

/// A product for each item of a stack, ready to run.
template <class T>
auto ready(std::int64_t items, const Problem<T>& p) {
  return [items, products = std::array{Product<T>(p)}] { run_together(items, products); };
}

/// Where the gradients of affine() go; null if one is not needed.
template <class T>
struct Gradients {
  T *x, *w, *bias;
};

/// The products that give the gradients of affine(), from the gradient G (M, out) of x·wᵀ + bias:
/// of x and w, and as a third one of the bias.
template <std::size_t N, class T>
std::array<Product<T>, N> grad_products(const Matrix<T>& G, const Matrix<T>& X, const Matrix<T>& W,
                                        const Gradients<T>& to) {
  std::array<Product<T>, N> all;
  if (to.x) all[0] = Product<T>(problem_of(G, W, to.x));
  if (to.w)  // as w lies in memory, (in, out) or (out, in)
    all[1] = Product<T>(W.row == 1 ? problem_of(X.t(), G, to.w) : problem_of(G.t(), X, to.w));
  if constexpr (N == 3) {
    static constexpr T kOne = 1;
    if (to.bias)  // a row of ones, times G
      all[2] = Product<T>({1, G.columns, G.rows, &kOne, 0, 0, G.start, G.row, G.column, to.bias,
                           nullptr, Activation::none, 0, G.next});
  }
  return all;
}

/// The number of layers in a stack of weights (…, out, in), and the shape of a matrix for each.
std::int64_t layers_of(const Tensor& w) { return w.shape().rank() == 3 ? w.shape()[0] : 1; }
Shape for_each_layer(const Tensor& w, std::int64_t rows, std::int64_t columns) {
  return w.shape().rank() == 3 ? Shape{w.shape()[0], rows, columns} : Shape{rows, columns};
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& y) {
  const DType dtype = promote(promote(x.dtype(), y.dtype()), kInt64);
  if (dtype == kInt64)  // exact while sums stay below 2^53
    return cast(matmul(cast(x, kFloat64), cast(y, kFloat64)), kInt64);
  const As a_as(x, dtype), b_as(y, dtype);
  const Tensor &a = *a_as, &b = *b_as;
  const int ra = a.shape().rank(), rb = b.shape().rank();
  const std::int64_t M = a.shape()[ra - 2], K = a.shape()[ra - 1], N = b.shape()[rb - 1];
  if (ra == 2 && rb == 2) {
    Tensor out = empty({M, N}, dtype);
    dispatch_floating(dtype, [&]<class T>(T) {
      launch("matmul", {&out}, {&a, &b},
             ready(1, problem_of(Matrix<T>(a), Matrix<T>(b), data<T>(out))));
    });
    return out;
  }
  const Shape batch = broadcast_shapes("matmul", Shape(a.shape().begin(), a.shape().end() - 2),
                                       Shape(b.shape().begin(), b.shape().end() - 2));
  Shape shape = batch, a_shape = batch, b_shape = batch;
  shape.push_back(M), shape.push_back(N);
  a_shape.push_back(M), a_shape.push_back(K);
  b_shape.push_back(K), b_shape.push_back(N);
  Tensor out = empty(shape, dtype);
  const Tensor wide_a = broadcast_to(a, a_shape), wide_b = broadcast_to(b, b_shape);

  dispatch_floating(dtype, [&]<class T>(T) {
    const Shape &sa = wide_a.strides(), &sb = wide_b.strides();
    const auto first = problem_of(Matrix<T>(wide_a), Matrix<T>(wide_b), data<T>(out));
    launch("matmul", {&out}, {&wide_a, &wide_b}, [first, batch, sa, sb] {
      parallel_for(batch.numel(), items_of_a_piece(batch.numel(), Product<T>(first).work()),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       Problem<T> p = first;
                       std::int64_t index = i;
                       for (int d = batch.rank() - 1; d >= 0; --d) {
                         p.a += index % batch[d] * sa[d];
                         p.b += index % batch[d] * sb[d];
                         index /= batch[d];
                       }
                       p.c += i * p.M * p.N;
                       ready(1, p)();
                     }
                   });
    });
  });
  return out;
}

Tensor affine(const Tensor& x, const Tensor& w, const Tensor& bias, Activation activation) {
  const int q = x.shape().rank() - 2, r = w.shape().rank() - 2;
  Tensor out = empty(for_each_layer(w, x.shape()[q], w.shape()[r]), x.dtype());
  const Tensor copied = !bias.defined() || bias.is_contiguous() ? Tensor() : contiguous(bias);
  const Tensor& flat = copied.defined() ? copied : bias;
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    Problem<T> p = problem_of(Matrix<T>(x), Matrix<T>(w).t(), data<T>(out));
    p.bias = bias.defined() ? data<T>(flat) : nullptr;
    p.activation = activation;
    launch("linear", {&out}, {&x, &w, &flat}, ready(layers_of(w), p));
  });
  return out;
}

AffineGrads affine_grad(const Tensor& g_any, const Tensor& y, const Tensor& x, const Tensor& w,
                        Activation activation, bool need_x, bool need_w, bool need_bias) {
  const Tensor copied = g_any.is_contiguous() ? Tensor() : contiguous(g_any);
  const Tensor& g = copied.defined() ? copied : g_any;
  const int q = x.shape().rank() - 2, r = w.shape().rank() - 2;
  const std::int64_t M = x.shape()[q], in = x.shape()[q + 1], out = w.shape()[r];
  const std::int64_t layers = layers_of(w), n = M * out;
  const double work = static_cast<double>(n) * static_cast<double>(in);
  // Many small layers: each goes through all of its products while its numbers are in the cache.
  const bool each_alone = layers > 1 && work < kParallelWork;
  AffineGrads grads;
  if (need_x) grads.x = empty(for_each_layer(w, M, in), x.dtype());
  if (need_w) {
    const bool by_columns = w.strides()[r] == 1;
    const std::int64_t row = by_columns ? 1 : in, column = by_columns ? out : 1;
    grads.w = r == 0 ? empty_strided({out, in}, {row, column}, x.dtype())
                     : empty_strided({layers, out, in}, {out * in, row, column}, x.dtype());
  }
  if (need_bias && each_alone) grads.bias = empty({layers, out}, x.dtype());
  const Tensor s = each_alone ? g : activation_grad(activation, g, y);
  if (need_bias && !each_alone) grads.bias = sum(s, {-2}, false);
  if (!need_x && !need_w && !each_alone) return grads;
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const Matrix<T> S(s), X(x), W(w);
    const Gradients<T> to{need_x ? data<T>(grads.x) : nullptr, need_w ? data<T>(grads.w) : nullptr,
                          need_bias && each_alone ? data<T>(grads.bias) : nullptr};
    if (!each_alone)
      return launch("linear", {&grads.x, &grads.w}, {&s, &x, &w},
                    [layers, both = grad_products<2>(S, X, W, to)] { run_together(layers, both); });
    const T* value = activation == Activation::none ? nullptr : data<T>(y);
    launch("linear", {&grads.x, &grads.w, &grads.bias}, {&s, &y, &x, &w}, [=] {
      parallel_for(
          layers, items_of_a_piece(layers, 2 * work), [&](std::int64_t begin, std::int64_t end) {
            const Scratch<T> scratch(value ? n : 0);
            Matrix<T> own = S;
            if (value) own.start = scratch.data, own.next = 0;
            const auto all = grad_products<3>(own, X, W, to);
            for (std::int64_t i = begin; i < end; ++i) {
              if (value)
                activation_grad(activation, n, S.start + i * n, value + i * n, scratch.data);
              for (const Product<T>& p : all)
                for (std::int64_t unit = 0; unit < p.size(); ++unit) p.run(i, unit);
            }
          });
    });
  });
  return grads;
}

}  // namespace descent::kernel
