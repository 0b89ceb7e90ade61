#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math_power.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <atomic>
#include <cmath>
#include <limits>

// Legend: v, w elements of the operands.

namespace descent::kernel {

Tensor add(const Tensor& a, const Tensor& b) {
  return map2_numeric("add", a, b, [](auto v, auto w) { return v + w; });
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return map2_numeric("sub", a, b, [](auto v, auto w) { return v - w; });
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return map2_numeric("mul", a, b, [](auto v, auto w) { return v * w; });
}
Tensor div(const Tensor& a, const Tensor& b) {
  return map2("div", a, b, [](auto v, auto w) { return v / w; });
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return map2_within(
      "pow", a, b, [](auto v, auto w, bool& ordinary) { return math::pow_within(v, w, ordinary); },
      [](auto v, auto w) { return math::pow(v, w); });
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  return map2_numeric("maximum", a, b, [](auto v, auto w) { return v != v || v > w ? v : w; });
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return map2_numeric("minimum", a, b, [](auto v, auto w) { return v != v || v < w ? v : w; });
}

Tensor eq(const Tensor& a, const Tensor& b) {
  return compare("eq", a, b, [](auto v, auto w) { return v == w; });
}
Tensor ne(const Tensor& a, const Tensor& b) {
  return compare("ne", a, b, [](auto v, auto w) { return v != w; });
}
Tensor lt(const Tensor& a, const Tensor& b) {
  return compare("lt", a, b, [](auto v, auto w) { return v < w; });
}
Tensor le(const Tensor& a, const Tensor& b) {
  return compare("le", a, b, [](auto v, auto w) { return v <= w; });
}
Tensor gt(const Tensor& a, const Tensor& b) {
  return compare("gt", a, b, [](auto v, auto w) { return v > w; });
}
Tensor ge(const Tensor& a, const Tensor& b) {
  return compare("ge", a, b, [](auto v, auto w) { return v >= w; });
}

namespace {

// Unary on integers; bool counts as int64.
template <class F>
Tensor map_integer(std::string_view op, const Tensor& x, F f) {
  const As a(x, kInt64);
  return elementwise(op, {&a}, kInt64, [f](void* out, const void* const* in, std::int64_t n) {
    using T = std::int64_t;
    simd::loop(
        n, [f](const T& v, T& o) { o = f(v); }, static_cast<const T*>(in[0]), static_cast<T*>(out));
  });
}

template <class F>
Tensor map_numeric(std::string_view op, const Tensor& x, F f) {
  return is_floating(x.dtype()) ? map(op, x, f) : map_integer(op, x, f);
}

}  // namespace

Tensor neg(const Tensor& x) {
  return map_numeric("neg", x, [](auto v) { return -v; });
}
Tensor abs(const Tensor& x) {
  return map_numeric("abs", x, [](auto v) -> decltype(v) {
    if constexpr (std::is_floating_point_v<decltype(v)>)
      return std::fabs(v);
    else
      return v < 0 ? -v : v;
  });
}
Tensor sign(const Tensor& x) {
  return map_numeric("sign", x, [](auto v) -> decltype(v) {
    using T = decltype(v);
    return v > 0 ? T(1) : v < 0 ? T(-1) : v;  // v itself: 0 stays 0, NaN stays NaN
  });
}
Tensor floor(const Tensor& x) {
  return map("floor", x, [](auto v) { return std::floor(v); });
}
Tensor ceil(const Tensor& x) {
  return map("ceil", x, [](auto v) { return std::ceil(v); });
}
Tensor round(const Tensor& x) {
  return map("round", x, [](auto v) { return std::nearbyint(v); });
}
Tensor trunc(const Tensor& x) {
  return map("trunc", x, [](auto v) { return std::trunc(v); });
}
Tensor sinh(const Tensor& x) {
  return map("sinh", x, [](auto v) { return math::sinh(v); });
}
Tensor cosh(const Tensor& x) {
  return map("cosh", x, [](auto v) { return math::cosh(v); });
}
Tensor atan(const Tensor& x) {
  return map("atan", x, [](auto v) { return math::atan(v); });
}
Tensor log2(const Tensor& x) {
  return map("log2", x, [](auto v) { return math::log2(v); });
}
Tensor log10(const Tensor& x) {
  return map("log10", x, [](auto v) { return math::log10(v); });
}
Tensor atan2(const Tensor& a, const Tensor& b) {
  return map2("atan2", a, b, [](auto v, auto w) { return math::atan2(v, w); });
}
Tensor logaddexp(const Tensor& a, const Tensor& b) {
  return map2("logaddexp", a, b, [](auto v, auto w) -> decltype(v) {
    using T = decltype(v);
    constexpr T kLog2 = T(0.69314718055994530942);
    if (v == w) return v + kLog2;  // infinities too
    return (v > w ? v : w) + math::log1p(math::exp(-std::fabs(v - w)));
  });
}
Tensor exp(const Tensor& x) {
  return map_within(
      "exp", x, math::kExpMost, [](float v) { return math::exp_within(v); },
      [](auto v) { return math::exp(v); });
}
Tensor expm1(const Tensor& x) {
  return map("expm1", x, [](auto v) { return math::expm1(v); });
}
Tensor log(const Tensor& x) {
  return map("log", x, [](auto v) { return math::log(v); });
}
Tensor log1p(const Tensor& x) {
  return map("log1p", x, [](auto v) { return math::log1p(v); });
}
Tensor sqrt(const Tensor& x) {
  return map("sqrt", x, [](auto v) { return std::sqrt(v); });
}
Tensor rsqrt(const Tensor& x) {
  return map("rsqrt", x, [](auto v) { return 1 / std::sqrt(v); });
}
Tensor reciprocal(const Tensor& x) {
  return map("reciprocal", x, [](auto v) { return 1 / v; });
}
Tensor sin(const Tensor& x) {
  return map_within_any(
      "sin", x, math::kTurnsMost, [](auto v) { return math::sin_within(v); },
      [](auto v) { return math::sin(v); });
}
Tensor cos(const Tensor& x) {
  return map_within_any(
      "cos", x, math::kTurnsMost, [](auto v) { return math::cos_within(v); },
      [](auto v) { return math::cos(v); });
}
Tensor erf(const Tensor& x) {
  return map("erf", x, [](auto v) { return math::erf(v); });
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  if (!is_floating(x.dtype()) && (!low || low->is_integral()) && (!high || high->is_integral())) {
    using Limits = std::numeric_limits<std::int64_t>;
    const std::int64_t a = low ? low->to_int() : Limits::min(),
                       b = high ? high->to_int() : Limits::max();
    return map_integer("clamp", x, [a, b](std::int64_t v) { return v < a ? a : v > b ? b : v; });
  }
  const double a = low ? low->to_double() : -INFINITY, b = high ? high->to_double() : INFINITY;
  return map("clamp", x, [a, b](auto v) {
    using T = decltype(v);
    return v < T(a) ? T(a) : v > T(b) ? T(b) : v;
  });
}
Tensor centred(const Tensor& x, const Tensor& about, const Tensor& factor) {
  return dispatch_floating(x.dtype(), [&]<class T>(T) {
    return elementwise("normalize", {&x, &about, &factor}, x.dtype(),
                       [](void* out, const void* const* in, std::int64_t n) {
                         simd::loop(
                             n,
                             [](const T& v, const double& a, const double& f, T& o) {
                               o = static_cast<T>((static_cast<double>(v) - a) * f);
                             },
                             static_cast<const T*>(in[0]), static_cast<const double*>(in[1]),
                             static_cast<const double*>(in[2]), static_cast<T*>(out));
                       });
  });
}
Tensor minus_scaled(const Tensor& x, const Tensor& y, const Tensor& factor) {
  return dispatch_floating(x.dtype(), [&]<class T>(T) {
    return elementwise(
        "normalize", {&x, &y, &factor}, x.dtype(),
        [](void* out, const void* const* in, std::int64_t n) {
          simd::loop(
              n,
              [](const T& v, const T& w, const double& f, T& o) {
                o = static_cast<T>(static_cast<double>(v) - static_cast<double>(w) * f);
              },
              static_cast<const T*>(in[0]), static_cast<const T*>(in[1]),
              static_cast<const double*>(in[2]), static_cast<T*>(out));
        });
  });
}
Tensor inverse_deviation(const Tensor& deviation, double eps) {
  const double least = std::sqrt(eps);  // the sum of squares may leave the range of double
  return map("normalize", deviation, [least](auto v) { return 1 / std::hypot(v, least); });
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) {
  if (condition.dtype() != kBool)
    fail<DTypeError>("where", "got a condition of dtype ", condition.dtype(),
                     ", expected bool. Hint: compare first, as in where(x > 0, a, b)");
  const DType dtype = promote(x.dtype(), y.dtype());
  const As a(x, dtype), b(y, dtype);
  return dispatch_all(dtype, [&]<class T>(T) {
    return elementwise("where", {&condition, &a, &b}, dtype,
                       [](void* out, const void* const* in, std::int64_t n) {
                         simd::loop(
                             n, [](const bool& c, const T& v, const T& w, T& o) { o = c ? v : w; },
                             static_cast<const bool*>(in[0]), static_cast<const T*>(in[1]),
                             static_cast<const T*>(in[2]), static_cast<T*>(out));
                       });
  });
}

namespace {

template <class T>
Magnitude span_magnitude(const T* p, std::int64_t n) {
  Magnitude most = Magnitude::ordinary;
  Magnitude* result = &most;
  simd::call([=]() __attribute__((always_inline)) {
    // x² − x² is 0 unless the square is NaN or infinite. The loop goes by blocks, so that it can be
    // vectorised and can end early.
    for (std::int64_t i = 0; i < n && *result != Magnitude::not_finite; i += 4096) {
      const std::int64_t length = n - i < 4096 ? n - i : 4096;
      int bad = 0;
      for (std::int64_t k = 0; k < length; ++k)
        bad |= (p[i + k] * p[i + k] - p[i + k] * p[i + k] != 0);
      if (!bad) continue;
      bad = 0;
      for (std::int64_t k = 0; k < length; ++k) bad |= (p[i + k] - p[i + k] != 0);
      *result = bad ? Magnitude::not_finite : Magnitude::large;
    }
  });
  return most;
}

}  // namespace

Magnitude magnitude(const void* p, std::int64_t n, DType dtype) {
  return dispatch_floating(dtype,
                           [&]<class T>(T) { return span_magnitude(static_cast<const T*>(p), n); });
}

Magnitude magnitude(const Tensor& x) {
  detail::check_may_read("all_finite");
  const detail::PlainFloating plain;
  if (!is_floating(x.dtype())) return Magnitude::ordinary;
  detail::Storage& storage = *x.body().storage;
  // True if every write to the values is counted, so that storage.version tells whether the values
  // have changed since the last check.
  const bool seen = !storage.pool && !storage.exposed && !storage.foreign;
  if (seen && storage.ordinary_at.load(std::memory_order_relaxed) == storage.version + 1)
    return Magnitude::ordinary;
  const Tensor flat = is_dense(x) ? x : contiguous(x);
  const Magnitude found = dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(flat);
    const std::int64_t n = flat.numel();
    if (n <= kElementwiseGrain) return span_magnitude(p, n);
    std::atomic<int> most{0};
    // Reads from the end to the beginning. The beginning, which an optimizer's update reads first,
    // is then still in the cache.
    parallel_for(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      const int one = static_cast<int>(span_magnitude(p + (n - end), end - begin));
      for (int now = most; one > now && !most.compare_exchange_weak(now, one);) {
      }
    });
    return static_cast<Magnitude>(most.load());
  });
  const bool whole = static_cast<std::size_t>(x.numel()) * size_of(x.dtype()) == storage.bytes;
  if (found == Magnitude::ordinary && seen && whole)
    storage.ordinary_at.store(storage.version + 1, std::memory_order_relaxed);
  return found;
}

}  // namespace descent::kernel
