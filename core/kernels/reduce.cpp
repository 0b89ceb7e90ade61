#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math.h>
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

constexpr std::int64_t kBlock = 4096;   // elements that 32 running sums add before these are folded
constexpr std::int64_t kGrain = 65536;  // elements a task

/// The sum of n <= kBlock elements, in an order that depends on n alone.
template <class T>
[[gnu::always_inline]] inline T block_sum(const T* p, std::int64_t n) {
  constexpr int kLanes = 32;
  T lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] += p[i + k];
  for (int k = 0; i < n; ++i, ++k) lanes[k] += p[i];
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

/// The sum of any number of elements: sums of blocks, which are added in double (integers: in T).
template <class T>
T row_sum(const T* p, std::int64_t n) {
  using Total = std::conditional_t<std::is_integral_v<T>, T, double>;
  Total total = 0;
  simd::call([&]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; i += kBlock)
      total += static_cast<Total>(block_sum(p + i, std::min(kBlock, n - i)));
  });
  return static_cast<T>(total);
}

template <class T>
void sum_rows(const T* x, T* out, std::int64_t rows, std::int64_t n) {
  if (rows == 1 && n > kGrain) {
    const std::int64_t pieces = (n + kGrain - 1) / kGrain;
    std::vector<T> partial(static_cast<std::size_t>(pieces));
    parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += kGrain)
        partial[static_cast<std::size_t>(i / kGrain)] = row_sum(x + i, std::min(kGrain, end - i));
    });
    *out = row_sum(partial.data(), pieces);
    return;
  }
  parallel_for(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) out[r] = row_sum(x + r * n, n);
               });
}

/// out (outer, inner) = the sum over the middle of x (outer, n, inner).
template <class T>
void sum_columns(const T* x, T* out, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  constexpr std::int64_t kRows = 256;   // added at a time
  constexpr std::int64_t kWidth = 256;  // columns of one task
  const std::int64_t pieces = (inner + kWidth - 1) / kWidth;
  const std::int64_t work = n * std::min(kWidth, inner);
  parallel_for(outer * pieces, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(work, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   const std::int64_t first = unit % pieces * kWidth;
                   const std::int64_t width = std::min(kWidth, inner - first);
                   const T* in = x + unit / pieces * n * inner + first;
                   T* to = out + unit / pieces * inner + first;
                   simd::call([=]() __attribute__((always_inline)) {
                     using Total = std::conditional_t<std::is_integral_v<T>, T, double>;
                     constexpr int kLanes = 16;
                     for (std::int64_t k0 = 0; k0 < width; k0 += kLanes) {
                       const std::int64_t lanes = width - k0 < kLanes ? width - k0 : kLanes;
                       Total total[kLanes] = {};
                       for (std::int64_t block = 0; block < n; block += kRows) {
                         T fold[kLanes] = {};
                         const T* row = in + block * inner + k0;
                         const std::int64_t rows = n - block < kRows ? n - block : kRows;
                         if (lanes == kLanes)
                           for (std::int64_t r = 0; r < rows; ++r, row += inner)
                             for (int k = 0; k < kLanes; ++k) fold[k] += row[k];
                         else
                           for (std::int64_t r = 0; r < rows; ++r, row += inner)
                             for (std::int64_t k = 0; k < lanes; ++k) fold[k] += row[k];
                         for (int k = 0; k < kLanes; ++k) total[k] += fold[k];
                       }
                       for (std::int64_t k = 0; k < lanes; ++k)
                         to[k0 + k] = static_cast<T>(total[k]);
                     }
                   });
                 }
               });
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

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim) {
  const As in_type(input, is_floating(input.dtype()) ? input.dtype() : kInt64);
  const Tensor& x = *in_type;
  const int rank = x.shape().rank();
  const unsigned set = dim_set("sum", dims, rank);
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), x.dtype());
  if (x.numel() == 0) {
    fill(out, 0);
    return out;
  }
  // If the reduced dimensions are neighbours and kept dimensions follow, sums the columns in place,
  // without moving dimensions.
  int first = 0;
  while (first < rank && (set >> first & 1) == 0) ++first;
  int last = first;
  while (last < rank && (set >> last & 1) != 0) ++last;
  const bool one_run = set >> last == 0;
  std::int64_t outer = 1, n = 1, inner = 1;
  for (int d = 0; d < rank; ++d) (d < first ? outer : d < last ? n : inner) *= x.shape()[d];

  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    T* to = data<T>(out);
    if (one_run && inner > 1 && x.is_contiguous()) {
      const T* in = data<T>(x);
      launch("sum", {&out}, {&x}, [=] { sum_columns(in, to, outer, n, inner); });
    } else {
      const bool whole = one_run && first == 0 && last == rank && is_dense(x);
      const Tensor moved = whole ? Tensor() : reduced_last(x, set);
      const Tensor& flat = whole ? x : moved;
      const T* in = data<T>(flat);
      launch("sum", {&out}, {&flat}, [=, rows = out.numel(), length = x.numel() / out.numel()] {
        sum_rows(in, to, rows, length);
      });
    }
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
            T lanes[kRowLanes] = {};
            std::int64_t i = 0;
            if (n >= kWideLanes) {
              T wide[kWideLanes] = {};
              for (; i + kWideLanes <= n; i += kWideLanes)
                for (int k = 0; k < kWideLanes; ++k) wide[k] += g_row[i + k] * y_row[i + k];
              for (int j = 0; j < kWideLanes; j += kRowLanes)
                for (int k = 0; k < kRowLanes; ++k) lanes[k] += wide[j + k];
            }
            for (; i + kRowLanes <= n; i += kRowLanes)
              for (int k = 0; k < kRowLanes; ++k) lanes[k] += g_row[i + k] * y_row[i + k];
            for (int k = 0; i < n; ++i, ++k) lanes[k] += g_row[i] * y_row[i];
            const T dot = fold_lanes(lanes, [](T v, T w) { return v + w; });
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
            const auto total = block_sum(g_row, n);
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

/// The sum of (by·p[i])² in an order that depends on n alone.
template <bool kScaled, class T>
double sum_squares(const T* p, std::int64_t n, [[maybe_unused]] double by = 1) {
  const std::int64_t pieces = (n + kGrain - 1) / kGrain;
  double small[64];
  std::vector<double> large;
  if (pieces > 64) large.resize(static_cast<std::size_t>(pieces));
  double* partial = pieces > 64 ? large.data() : small;
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end; first += kGrain) {
      const std::int64_t last = std::min(first + kGrain, end);
      double total = 0;
      simd::call([&]() __attribute__((always_inline)) {
        const auto square = [=](T x) __attribute__((always_inline)) {
          const double scaled = kScaled ? static_cast<double>(x) * by : static_cast<double>(x);
          return scaled * scaled;
        };
        double lanes[16] = {};
        std::int64_t i = first;
        for (; i + 16 <= last; i += 16)
          for (int k = 0; k < 16; ++k) lanes[k] += square(p[i + k]);
        for (int k = 0; i < last; ++i, ++k) lanes[k] += square(p[i]);
        for (int half = 8; half > 0; half /= 2)
          for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
        total = lanes[0];
      });
      partial[first / kGrain] = total;
    }
  });
  double total = 0;
  for (std::int64_t i = 0; i < pieces; ++i) total += partial[i];
  return total;
}

}  // namespace

double norm2(const Tensor& x) {
  detail::check_may_read("norm2");
  const Tensor flat = is_dense(x) ? x : contiguous(x);
  return dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(flat);
    const double squares = sum_squares<false>(p, flat.numel());
    if constexpr (std::is_same_v<T, double>)  // the square of a float is always in range
      if (!in_range(squares)) {
        const double by = squares < 1 ? kGrow : kShrink;
        return std::sqrt(sum_squares<true>(p, flat.numel(), by)) / by;
      }
    return std::sqrt(squares);
  });
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
