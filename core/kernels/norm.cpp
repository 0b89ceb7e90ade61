#include <descent/core/kernels/norm.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/reduce_rows.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace descent::kernel {

namespace {

// If |x| is above 2^512 or below 2^-512, the square of x leaves the range of double. In this case
// all numbers are scaled by kShrink or kGrow. Then even a sum of very many squares stays in range.
// If a scaled square underflows, it is too small beside the others to matter.
constexpr double kShrink = 0x1p-600, kGrow = 0x1p600;

/// True if a sum of squares has neither overflowed nor lost digits to underflow.
bool in_range(double squares) {
  return squares >= 0x1p-960 && squares < std::numeric_limits<double>::infinity();
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
    detail::launch(op, {&out}, {&r.flat, &about},
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
