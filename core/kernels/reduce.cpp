#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/kernels/softmax_row.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

// Legend: a reduction sees its input as `rows` contiguous rows of `n` elements.

namespace descent::kernel {

using detail::launch;

namespace {

constexpr std::int64_t kBlock = 1024;   // elements that 32 running sums add
constexpr std::int64_t kGrain = 65536;  // elements a task

/// The type in which sums of blocks are added: double, or int64 for integers.
template <class T>
using Total = std::conditional_t<std::is_integral_v<T>, T, double>;

constexpr int kSumLanes = 32;

/// Adds the lanes in a fixed order.
template <class T>
[[gnu::always_inline]] inline T fold_sum(T (&lanes)[kSumLanes]) {
  for (int half = kSumLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

/// Adds n <= kBlock elements to lanes, which are 0.
template <class T>
[[gnu::always_inline]] inline void sum_block(const T* p, std::int64_t n, T (&lanes)[kSumLanes]) {
  std::int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes)
    for (int k = 0; k < kSumLanes; ++k) lanes[k] += p[i + k];
  for (int k = 0; i < n; ++i, ++k) lanes[k] += p[i];
}

/// The sum of any number of elements, in an order that depends on n alone.
template <class T>
[[gnu::always_inline]] inline Total<T> sum_of_blocks(const T* p, std::int64_t n) {
  if (n <= kBlock) {
    T lanes[kSumLanes] = {};
    sum_block(p, n, lanes);
    return static_cast<Total<T>>(fold_sum(lanes));
  }
  Total<T> total[kSumLanes] = {};
  for (std::int64_t i = 0; i < n; i += kBlock) {
    T lanes[kSumLanes] = {};
    sum_block(p + i, n - i < kBlock ? n - i : kBlock, lanes);
    for (int k = 0; k < kSumLanes; ++k) total[k] += static_cast<Total<T>>(lanes[k]);
  }
  return fold_sum(total);
}

/// The sum of the n numbers f(p[i]), in double.
template <class T, class F>
[[gnu::always_inline]] inline double sum_of_terms(const T* p, std::int64_t n, F f) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] += f(static_cast<double>(p[i + k]));
  for (int k = 0; i < n; ++i, ++k) lanes[k] += f(static_cast<double>(p[i]));
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

/// Calls piece(begin, end) for the pieces of a long row, on several threads, and adds what the
/// calls return in the order of the pieces.
template <class Sum, class F>
Sum sum_of_pieces(std::int64_t n, F piece) {
  if (n <= kGrain) return piece(std::int64_t{0}, n);
  const std::int64_t pieces = (n + kGrain - 1) / kGrain;
  Sum few[64];
  std::vector<Sum> many;
  if (pieces > 64) many.resize(static_cast<std::size_t>(pieces));
  Sum* partial = pieces > 64 ? many.data() : few;
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += kGrain)
      partial[i / kGrain] = piece(i, std::min(i + kGrain, end));
  });
  Sum total = 0;
  for (std::int64_t i = 0; i < pieces; ++i) total += partial[i];
  return total;
}

template <class T>
void sum_rows(const T* x, T* out, std::int64_t rows, std::int64_t n) {
  const auto row_sum = [](const T* p, std::int64_t length) {
    Total<T> total = 0;
    simd::call([&]() __attribute__((always_inline)) { total = sum_of_blocks(p, length); });
    return total;
  };
  if (rows == 1) {
    *out = static_cast<T>(sum_of_pieces<Total<T>>(
        n, [=](auto begin, auto end) { return row_sum(x + begin, end - begin); }));
    return;
  }
  parallel_for(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   out[r] = static_cast<T>(row_sum(x + r * n, n));
               });
}

/// Calls f(first, columns, out) for the columns of x (outer, n, inner), at most 256 at a time:
/// `first` is the address of the first element, and `out` the place of the result in (outer,
/// inner). f must be marked always_inline.
template <class T, class F>
void for_columns(const T* x, std::int64_t outer, std::int64_t n, std::int64_t inner, F f) {
  constexpr std::int64_t kWidth = 256;
  const std::int64_t pieces = (inner + kWidth - 1) / kWidth;
  const std::int64_t work = n * std::min(kWidth, inner);
  parallel_for(outer * pieces, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(work, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   const std::int64_t o = unit / pieces, first = unit % pieces * kWidth;
                   const std::int64_t columns = std::min(kWidth, inner - first);
                   const T* in = x + o * n * inner + first;
                   simd::call([ =, at = o * inner + first ]()
                                  __attribute__((always_inline)) { f(in, columns, at); });
                 }
               });
}

constexpr int kColumns = 16;  // columns that are reduced together

/// out (outer, inner) = the sum over the middle of x (outer, n, inner).
template <class T>
void sum_columns(const T* x, T* out, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const auto sum = [=](const T* in, std::int64_t width, std::int64_t at)
      __attribute__((always_inline)) {
    constexpr std::int64_t kRows = 32;  // added at a time
    T* to = out + at;
    for (std::int64_t k0 = 0; k0 < width; k0 += kColumns) {
      const std::int64_t columns = width - k0 < kColumns ? width - k0 : kColumns;
      Total<T> total[kColumns] = {};
      for (std::int64_t block = 0; block < n; block += kRows) {
        T fold[kColumns] = {};
        const T* row = in + block * inner + k0;
        const std::int64_t rows = n - block < kRows ? n - block : kRows;
        if (columns == kColumns)
          for (std::int64_t r = 0; r < rows; ++r, row += inner)
            for (int k = 0; k < kColumns; ++k) fold[k] += row[k];
        else
          for (std::int64_t r = 0; r < rows; ++r, row += inner)
            for (std::int64_t k = 0; k < columns; ++k) fold[k] += row[k];
        for (int k = 0; k < kColumns; ++k) total[k] += fold[k];
      }
      for (std::int64_t k = 0; k < columns; ++k) to[k0 + k] = static_cast<T>(total[k]);
    }
  };
  for_columns(x, outer, n, inner, sum);
}

/// A row-major tensor: x with the dimensions of `set` moved to the end.
Tensor reduced_last(const Tensor& x, unsigned set) {
  Shape shape, strides;
  for (const bool reduced : {false, true})
    for (int d = 0; d < x.shape().rank(); ++d)
      if (static_cast<bool>(set >> d & 1) == reduced) {
        shape.push_back(x.shape()[d]);
        strides.push_back(x.strides()[d]);
      }
  return contiguous(view_of(x, shape, strides, 0));
}

/// Moves the dimensions of `set` to the end: their n elements form a row. Calls f(row, n, number of
/// the row) for each row. n must not be 0.
template <class T, class F>
void for_rows(const char* op, const Tensor& x, unsigned set, Tensor& out, F f) {
  const Tensor flat = reduced_last(x, set);
  const std::int64_t rows = out.numel(), n = rows > 0 ? flat.numel() / rows : 0;
  const T* p = data<T>(flat);
  launch(op, {&out}, {&flat}, [=] {
    parallel_for(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r) f(p + r * n, n, r);
                 });
  });
}

void check_not_empty(const char* op, const Tensor& x, unsigned set) {
  for (int d = 0; d < x.shape().rank(); ++d)
    if ((set >> d & 1) != 0 && x.shape()[d] == 0)
      fail<ShapeError>(op, "got shape ", x.shape(), ", expected elements along dimension ", d,
                       ". Hint: nothing has no ", op);
}

template <class Better>
Tensor extreme(const char* op, const Tensor& x, const Dims& dims, bool keepdim, Better better) {
  const unsigned set = dim_set(op, dims, x.shape().rank());
  check_not_empty(op, x, set);
  if (x.dtype() == kBool) return extreme(op, cast(x, kInt64), dims, keepdim, better);
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), x.dtype());
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    T* to = data<T>(out);
    for_rows<T>(op, x, set, out, [=](const T* row, std::int64_t n, std::int64_t r) {
      T m = row[0];
      for (std::int64_t i = 1; i < n; ++i) m = better(row[i], m) || row[i] != row[i] ? row[i] : m;
      to[r] = m;
    });
  });
  return out;
}

template <class Better>
Tensor arg_extreme(const char* op, const Tensor& x, std::int64_t dim, bool keepdim, Better better) {
  const unsigned set = 1u << normalize_dim(op, dim, x.shape().rank());
  check_not_empty(op, x, set);
  if (x.dtype() == kBool) return arg_extreme(op, cast(x, kInt64), dim, keepdim, better);
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), kInt64);
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    auto* to = data<std::int64_t>(out);
    for_rows<T>(op, x, set, out, [=](const T* row, std::int64_t n, std::int64_t r) {
      std::int64_t m = 0;
      for (std::int64_t i = 1; i < n && row[m] == row[m]; ++i)
        if (better(row[i], row[m]) || row[i] != row[i]) m = i;
      to[r] = m;
    });
  });
  return out;
}

constexpr auto kGreater = [](auto a, auto b) { return a > b; };
constexpr auto kLess = [](auto a, auto b) { return a < b; };

template <bool kWithIntegers, class F>
void dispatch_if(DType dtype, F f) {
  if constexpr (kWithIntegers)
    dispatch_numeric(dtype, f);
  else
    dispatch_floating(dtype, f);
}

/// x with `dim` moved last, row-major. back() moves the last dimension of a result to `dim` again.
struct Moved {
  Tensor rows;
  int dim;
  Tensor back(const Tensor& t) const {
    Shape shape = t.shape(), strides = t.strides();
    const int last = shape.rank() - 1;
    if (last < 1 || dim == last) return t;
    const std::int64_t n = shape[last], step = strides[last];
    shape.erase(last);
    strides.erase(last);
    shape.insert(dim, n);
    strides.insert(dim, step);
    return view_of(t, shape, strides, 0);
  }
};

Moved move_last(const char* op, const Tensor& x, std::int64_t dim) {
  const int d = normalize_dim(op, dim, x.shape().rank());
  return {x.shape().rank() == 0 ? x : reduced_last(x, 1u << d), d};
}

/// out = f(row, out_row, n) for each row along dim.
template <bool kWithIntegers, class F>
Tensor along(const char* op, const Tensor& x, std::int64_t dim, F f) {
  const Moved moved = move_last(op, x, dim);
  Tensor out = empty(moved.rows.shape(), x.dtype());
  const std::int64_t n = x.dim() > 0 ? moved.rows.size(-1) : 1;
  if (out.numel() > 0)
    dispatch_if<kWithIntegers>(x.dtype(), [&]<class T>(T) {
      const T* in = data<T>(moved.rows);
      T* to = data<T>(out);
      launch(op, {&out}, {&moved.rows}, [=, rows = out.numel() / n] {
        parallel_for(rows, std::max<std::int64_t>(1, kGrain / 4 / n),
                     [=](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t r = begin; r < end; ++r) f(in + r * n, to + r * n, n);
                     });
      });
    });
  return moved.back(out);
}

}  // namespace

unsigned dim_set(std::string_view op, const Dims& dims, int rank) {
  if (dims.empty()) return (1u << rank) - 1;
  unsigned set = 0;
  for (const std::int64_t dim : dims) {
    const int d = normalize_dim(op, dim, rank);
    if ((set >> d & 1) != 0)
      fail<ValueError>(op, "got dimension ", dim, " twice, expected each once");
    set |= 1u << d;
  }
  return rank == 0 ? 0 : set;
}

Shape reduced_shape(const Shape& shape, unsigned set, bool keepdim) {
  Shape out;
  for (int d = 0; d < shape.rank(); ++d) {
    if ((set >> d & 1) == 0)
      out.push_back(shape[d]);
    else if (keepdim)
      out.push_back(1);
  }
  return out;
}

namespace {

/// x as a reduction over `set` sees it: (outer, n, inner), reduced over the middle.
struct Reduced {
  Tensor flat;
  std::int64_t outer = 1, n = 1, inner = 1;

  Reduced(const Tensor& x, unsigned set) {
    // If the reduced dimensions are neighbours and kept dimensions follow, reduces the columns in
    // place, without moving dimensions.
    const int rank = x.shape().rank();
    int first = 0;
    while (first < rank && (set >> first & 1) == 0) ++first;
    int last = first;
    while (last < rank && (set >> last & 1) != 0) ++last;
    const bool one_run = set >> last == 0;
    for (int d = 0; d < rank; ++d) (d < first ? outer : d < last ? n : inner) *= x.shape()[d];
    if (one_run && inner > 1 && x.is_contiguous()) {
      flat = x;
      return;
    }
    flat = one_run && first == 0 && last == rank && is_dense(x) ? x : reduced_last(x, set);
    n = 1;
    for (int d = 0; d < rank; ++d)
      if ((set >> d & 1) != 0) n *= x.shape()[d];
    outer = n > 0 ? x.numel() / n : 0;
    inner = 1;
  }
};

}  // namespace

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim) {
  const As in_type(input, is_floating(input.dtype()) ? input.dtype() : kInt64);
  const Tensor& x = *in_type;
  const unsigned set = dim_set("sum", dims, x.shape().rank());
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), x.dtype());
  if (x.numel() == 0) {
    fill(out, 0);
    return out;
  }
  const Reduced r(x, set);
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    launch("sum", {&out}, {&r.flat},
           [in = data<T>(r.flat), to = data<T>(out), outer = r.outer, n = r.n, inner = r.inner] {
             inner > 1 ? sum_columns(in, to, outer, n, inner) : sum_rows(in, to, outer, n);
           });
  });
  return out;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int shift = x.shape().rank() - shape.rank();
  for (int d = 0; d < shape.rank(); ++d)
    if (shift < 0 || (shape[d] != 1 && shape[d] != x.shape()[d + shift]))
      fail<ShapeError>("sum_to", "got ", x.shape(), " to be summed down to ", shape,
                       ", expected a shape that broadcasts to the first. Hint: a gradient has the "
                       "shape of what it belongs to");
  Dims dims;
  for (int d = 0; d < x.shape().rank(); ++d)
    if (d < shift || (shape[d - shift] == 1 && x.shape()[d] != 1)) dims.push_back(d);
  Tensor s = dims.empty() ? x : sum(x, dims, true);
  return view_of(contiguous(s), shape, shape.contiguous_strides(), 0);
}

Tensor max(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("max", x, dims, keepdim, kGreater);
}
Tensor min(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("min", x, dims, keepdim, kLess);
}
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  return arg_extreme("argmax", x, dim, keepdim, kGreater);
}
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  return arg_extreme("argmin", x, dim, keepdim, kLess);
}

Tensor cumsum(const Tensor& input, std::int64_t dim, bool reverse) {
  const Tensor x = is_floating(input.dtype()) ? input : cast(input, kInt64);
  return along<true>("cumsum", x, dim, [reverse](const auto* in, auto* out, std::int64_t n) {
    using T = std::remove_cvref_t<decltype(*out)>;
    std::conditional_t<std::is_same_v<T, float>, double, T> total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t i = reverse ? n - 1 - k : k;
      out[i] = static_cast<T>(total += in[i]);
    }
  });
}

// ---- softmax: value and gradient ----

namespace {

/// out = f(g_row, y_row, out_row, n) for each row along the last dimension.
template <class F>
Tensor along_last(const char* op, const Tensor& g_any, const Tensor& y_any, F f) {
  const Tensor g = contiguous(g_any), y = contiguous(y_any);
  Tensor out = empty_as(y, y.dtype());
  const std::int64_t n = y.dim() > 0 ? y.size(-1) : 1;
  if (out.numel() == 0) return out;
  dispatch_floating(y.dtype(), [&]<class T>(T) {
    const T *a = data<T>(g), *b = data<T>(y);
    T* to = data<T>(out);
    launch(op, {&out}, {&g, &y}, [=, rows = out.numel() / n] {
      parallel_for(rows, std::max<std::int64_t>(1, kGrain / 4 / n),
                   [=](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t r = begin; r < end; ++r)
                       simd::call([=]() __attribute__((always_inline)) {
                         f(a + r * n, b + r * n, to + r * n, n);
                       });
                   });
    });
  });
  return out;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim) {
  return along<false>("softmax", cast(x, promote_to_floating(x.dtype())), dim,
                      [](const auto* in, auto* out, std::int64_t n) {
                        simd::call([=]() __attribute__((always_inline)) {
                          auto total = small_exp_row(in, out, n);
                          if (total == 0) total = exp_row(in, out, n).total;
                          const auto scale = 1 / total;
                          for (std::int64_t i = 0; i < n; ++i) out[i] *= scale;
                        });
                      });
}

Tensor softmax_grad(const Tensor& g, const Tensor& y) {
  return along_last(
      "softmax", g, y,
      [](const auto* g_row, const auto* y_row, auto* out, std::int64_t n)
          __attribute__((always_inline)) {
            using T = std::remove_cvref_t<decltype(*out)>;
            double total[kRowLanes] = {};
            for (std::int64_t i = 0; i < n;) {
              const std::int64_t end = n - i < kBlock ? n : i + kBlock;
              T lanes[kRowLanes] = {};
              if (end - i >= kWideLanes) {
                T wide[kWideLanes] = {};
                for (; i + kWideLanes <= end; i += kWideLanes)
                  for (int k = 0; k < kWideLanes; ++k) wide[k] += g_row[i + k] * y_row[i + k];
                for (int j = 0; j < kWideLanes; j += kRowLanes)
                  for (int k = 0; k < kRowLanes; ++k) lanes[k] += wide[j + k];
              }
              for (; i + kRowLanes <= end; i += kRowLanes)
                for (int k = 0; k < kRowLanes; ++k) lanes[k] += g_row[i + k] * y_row[i + k];
              for (int k = 0; i < end; ++i, ++k) lanes[k] += g_row[i] * y_row[i];
              add_lanes(lanes, total);
            }
            const T dot = static_cast<T>(sum_of_lanes(total));
            for (std::int64_t j = 0; j < n; ++j) out[j] = y_row[j] * (g_row[j] - dot);
          });
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {
  return along<false>("log_softmax", cast(x, promote_to_floating(x.dtype())), dim,
                      [](const auto* in, auto* out, std::int64_t n) {
                        using T = std::remove_cvref_t<decltype(*out)>;
                        simd::call([=]() __attribute__((always_inline)) {
                          const RowSoftmax<T> row = exp_row(in, out, n);
                          const T log_sum =
                              static_cast<T>(std::log(static_cast<double>(row.total)));
                          for (std::int64_t i = 0; i < n; ++i) out[i] = (in[i] - row.max) - log_sum;
                        });
                      });
}

Tensor log_softmax_grad(const Tensor& g, const Tensor& y) {
  return along_last(
      "log_softmax", g, y,
      [](const auto* g_row, const auto* y_row, auto* out, std::int64_t n)
          __attribute__((always_inline)) {
            using T = std::remove_cvref_t<decltype(*out)>;
            const T total = static_cast<T>(sum_of_blocks(g_row, n));
            for (std::int64_t j = 0; j < n; ++j)
              out[j] = g_row[j] - math::exp_below_zero(y_row[j]) * total;
          });
}

namespace {

// If |x| is above 2^512 or below 2^-512, the square of x leaves the range of double. In this case
// all numbers are scaled by kShrink or kGrow. Then even a sum of very many squares stays in range.
// If a scaled square underflows, it is too small beside the others to matter.
constexpr double kShrink = 0x1p-600, kGrow = 0x1p600;

/// True if a sum of squares has neither overflowed nor lost digits to underflow.
bool in_range(double squares) {
  return squares >= 0x1p-960 && squares < std::numeric_limits<double>::infinity();
}

/// The root of sum(f), where sum adds f(x) over numbers x of type T, and f(x) = (x − about)².
template <class T, class Sum>
double root_of_squares(double about, Sum sum) {
  const double squares = sum([=](double x) { return (x - about) * (x - about); });
  if constexpr (std::is_same_v<T, double>)  // the square of a float is always in range
    if (!in_range(squares)) {
      const double by = squares < 1 ? kGrow : kShrink;
      return std::sqrt(sum([=](double x) { return (x - about) * by * ((x - about) * by); })) / by;
    }
  return std::sqrt(squares);
}

/// The sum of f(x) over a row, in double and in an order that depends on n alone.
template <class T, class F>
double row_terms(const T* p, std::int64_t n, F f) {
  return sum_of_pieces<double>(n, [=](std::int64_t begin, std::int64_t end) {
    double total = 0;
    simd::call([&]() __attribute__((always_inline)) {
      total = sum_of_terms(p + begin, end - begin, f);
    });
    return total;
  });
}

/// out (outer, inner) = the sum of f(x − about) over the middle of x (outer, n, inner), in double.
template <class T, class F>
void column_terms(const T* x, const double* about, double* out, std::int64_t outer, std::int64_t n,
                  std::int64_t inner, F f) {
  const auto columns_of = [=](const T* in, std::int64_t width, std::int64_t at)
      __attribute__((always_inline)) {
    for (std::int64_t k0 = 0; k0 < width; k0 += kColumns) {
      const std::int64_t columns = width - k0 < kColumns ? width - k0 : kColumns;
      double total[kColumns] = {}, centre[kColumns] = {};
      for (std::int64_t k = 0; about && k < columns; ++k) centre[k] = about[at + k0 + k];
      const T* row = in + k0;
      if (columns == kColumns)
        for (std::int64_t r = 0; r < n; ++r, row += inner)
          for (int k = 0; k < kColumns; ++k) total[k] += f(static_cast<double>(row[k]) - centre[k]);
      else
        for (std::int64_t r = 0; r < n; ++r, row += inner)
          for (std::int64_t k = 0; k < columns; ++k)
            total[k] += f(static_cast<double>(row[k]) - centre[k]);
      for (std::int64_t k = 0; k < columns; ++k) out[at + k0 + k] = total[k];
    }
  };
  for_columns(x, outer, n, inner, columns_of);
}

/// Launches work(in, out, outer, n, inner): a reduction of x in double, dimensions kept.
template <class F>
Tensor reduce_wide(const char* op, const Tensor& x, const Dims& dims, const Tensor& about, F work) {
  const unsigned set = dim_set(op, dims, x.shape().rank());
  Tensor out = empty(reduced_shape(x.shape(), set, true), kFloat64);
  if (x.numel() == 0) {
    fill(out, 0);
    return out;
  }
  const Reduced r(x, set);
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    launch(op, {&out}, {&r.flat, &about},
           [work, in = data<T>(r.flat), to = data<double>(out), outer = r.outer, n = r.n,
            inner = r.inner] { work(in, to, outer, n, inner); });
  });
  return out;
}

template <class F>
void each_row(std::int64_t rows, std::int64_t n, F f) {
  parallel_for(rows, std::max<std::int64_t>(1, kGrain / n),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) f(r);
               });
}

constexpr auto kItself = [](double x) __attribute__((always_inline)) { return x; };
constexpr auto kSquared = [](double x) __attribute__((always_inline)) { return x * x; };

/// √Σ(x − about)² over a row.
template <class T>
double row_length(const T* p, std::int64_t n, double about) {
  return root_of_squares<T>(about, [=](auto f) { return row_terms(p, n, f); });
}

/// √Σ(x − about)² over a column: n elements, `step` apart, whose sum of squares is known.
template <class T>
double column_length(const T* p, std::int64_t n, std::int64_t step, double about, double squares) {
  if (std::is_same_v<T, float> || in_range(squares)) return std::sqrt(squares);
  return root_of_squares<T>(about, [=](auto f) {
    double sum = 0;
    for (std::int64_t r = 0; r < n; ++r) sum += f(static_cast<double>(p[r * step]));
    return sum;
  });
}

}  // namespace

double norm2(const Tensor& x) {
  detail::check_may_read("norm2");
  const detail::PlainFloating plain;
  const Tensor flat = is_dense(x) ? x : contiguous(x);
  return dispatch_floating(x.dtype(),
                           [&]<class T>(T) { return row_length(data<T>(flat), flat.numel(), 0); });
}

Tensor lengths(const Tensor& x, const Dims& dims, const Tensor& about) {
  const double* centre = about.defined() ? data<double>(about) : nullptr;
  return reduce_wide("norm", x, dims, about,
                     [centre](const auto* in, double* out, auto outer, auto n, auto inner) {
                       if (inner == 1)
                         return each_row(outer, n, [=](std::int64_t r) {
                           out[r] = row_length(in + r * n, n, centre ? centre[r] : 0);
                         });
                       column_terms(in, centre, out, outer, n, inner, kSquared);
                       for (std::int64_t i = 0; i < outer * inner; ++i)
                         out[i] = column_length(in + i / inner * n * inner + i % inner, n, inner,
                                                centre ? centre[i] : 0, out[i]);
                     });
}

namespace {

/// The mean of x − about, in double; of x, if `about` is undefined.
Tensor mean_about(const Tensor& x, const Dims& dims, const Tensor& about) {
  const double* centre = about.defined() ? data<double>(about) : nullptr;
  const Tensor total =
      reduce_wide("mean", x, dims, about,
                  [centre](const auto* in, double* out, auto outer, auto n, auto inner) {
                    if (inner > 1) return column_terms(in, centre, out, outer, n, inner, kItself);
                    each_row(outer, n, [=](std::int64_t r) {
                      const double c = centre ? centre[r] : 0;
                      out[r] = row_terms(in + r * n, n, [c](double v) { return v - c; });
                    });
                  });
  const double n = static_cast<double>(x.numel()) / static_cast<double>(total.numel());
  return map("mean", total, [n](auto v) { return v / n; });
}

}  // namespace

Tensor wide_mean(const Tensor& x, const Dims& dims) {
  const Tensor mean = mean_about(x, dims, {});
  // The sum of floats is exact in double, or nearly so. That of doubles is rounded, and the mean of
  // equal numbers would differ from them: the second pass mends that.
  return x.dtype() == kFloat64 ? kernel::add(mean, mean_about(x, dims, mean)) : mean;
}

Tensor deviation(const Tensor& x, const Dims& dims, const Tensor& mean) {
  const Tensor length = lengths(x, dims, mean);
  const double n = static_cast<double>(x.numel()) / static_cast<double>(length.numel());
  return map("stddev", length, [root = std::sqrt(n)](auto v) { return v / root; });
}

void Norm::add(double x) {
  plain_ += x * x;
  shrunk_ += x * kShrink * (x * kShrink);
  grown_ += x * kGrow * (x * kGrow);
}

double Norm::value() const {
  if (in_range(plain_)) return std::sqrt(plain_);
  return plain_ < 1 ? std::sqrt(grown_) / kGrow : std::sqrt(shrunk_) / kShrink;
}

}  // namespace descent::kernel
