#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/parallel.h>
#include <descent/core/launch.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <limits>

// Legend: v, w elements of the operands; g an incoming gradient, y an output.

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
  return map2("pow", a, b, [](auto v, auto w) { return std::pow(v, w); });
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

/// o = within(v) for n elements; false if one of them lies outside [−most, most] or is NaN.
template <class F>
bool span_within(std::int64_t n, float most, F within, const float* v, float* o) {
  std::uint32_t largest = 0;  // as bits, which order magnitudes, with NaN above all
  simd::call([ =, &largest ]() __attribute__((always_inline)) {
    const float* __restrict from = v;
    float* __restrict to = o;
    std::uint32_t high = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(from[i]) & 0x7fffffffu;
      high = magnitude > high ? magnitude : high;
      to[i] = within(from[i]);
    }
    largest = high;
  });
  return largest <= std::bit_cast<std::uint32_t>(most);
}

/// As map(f), where within() gives the same bits for every float in [−most, most] at less cost: a
/// block is done with it, and done again with f if an element lies outside.
template <class Within, class F>
Tensor map_within(std::string_view op, const Tensor& x, float most, Within within, F f) {
  if (promote_to_floating(x.dtype()) != kFloat32) return map(op, x, f);
  const As a(x, kFloat32);
  return elementwise(op, {&a}, kFloat32,
                     [most, within, f](void* out, const void* const* in, std::int64_t n) {
                       constexpr std::int64_t kBlock = 1024;
                       for (std::int64_t i = 0; i < n; i += kBlock) {
                         const float* v = static_cast<const float*>(in[0]) + i;
                         float* o = static_cast<float*>(out) + i;
                         const std::int64_t length = n - i < kBlock ? n - i : kBlock;
                         if (!span_within(length, most, within, v, o))
                           simd::loop(
                               length, [f](const float& from, float& to) { to = f(from); }, v, o);
                       }
                     });
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
  return map("sin", x, [](auto v) { return math::sin(v); });
}
Tensor cos(const Tensor& x) {
  return map("cos", x, [](auto v) { return math::cos(v); });
}
Tensor tanh(const Tensor& x) {
  return map_within(
      "tanh", x, math::kTanhMost, [](float v) { return math::tanh_within(v); },
      [](auto v) { return math::tanh(v); });
}
Tensor sigmoid(const Tensor& x) {
  return map("sigmoid", x, [](auto v) { return math::sigmoid(v); });
}
Tensor erf(const Tensor& x) {
  return map("erf", x, [](auto v) { return math::erf(v); });
}
Tensor softplus(const Tensor& x) {
  return map("softplus", x, [](auto v) { return math::softplus(v); });
}
Tensor silu(const Tensor& x) {
  return map("silu", x, [](auto v) { return v * math::sigmoid(v); });
}
Tensor gelu(const Tensor& x) {
  return map_within(
      "gelu", x, math::kNormalMost, [](float v) { return v * math::normal_within(v).cdf; },
      [](auto v) {
        const auto phi = math::normal(v).cdf;
        return phi == 0 ? decltype(v)(0) : v * phi;  // also of −∞
      });
}
Tensor elu(const Tensor& x, double alpha) {
  return map("elu", x, [alpha](auto v) {
    using T = decltype(v);
    return v > 0 ? v : T(alpha) * math::expm1(v < 0 ? v : T(0));
  });
}
Tensor relu(const Tensor& x) {
  return map("relu", x, [](auto v) { return v < 0 ? decltype(v)(0) : v; });
}
Tensor leaky_relu(const Tensor& x, double slope) {
  return map("leaky_relu", x, [slope](auto v) { return v > 0 ? v : decltype(v)(slope) * v; });
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
Tensor step(const Tensor& x, double below, double at, double above) {
  return map("step", x, [=](auto v) {
    using T = decltype(v);
    return v > 0 ? T(above) : v < 0 ? T(below) : T(at);
  });
}
Tensor inside(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  const double a = low ? low->to_double() : -INFINITY, b = high ? high->to_double() : INFINITY;
  return map("clamp", x, [a, b](auto v) {
    using T = decltype(v);
    return v >= T(a) && v <= T(b) ? T(1) : T(0);
  });
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

Tensor relu_grad(const Tensor& g, const Tensor& y) {
  return map2("relu", g, y, [](auto v, auto w) { return w > 0 ? v : decltype(v)(0); });
}
Tensor tanh_grad(const Tensor& g, const Tensor& y) {
  return map2("tanh", g, y, [](auto v, auto w) { return v * (1 - w * w); });
}
Tensor sigmoid_grad(const Tensor& g, const Tensor& y) {
  return map2("sigmoid", g, y, [](auto v, auto w) { return v * w * (1 - w); });
}

Tensor gelu_grad(const Tensor& g, const Tensor& x) {
  return map2("gelu", g, x, [](auto v, auto w) {
    const auto n = math::normal(w);
    return v * (n.cdf + w * n.density);
  });
}
Tensor silu_grad(const Tensor& g, const Tensor& x) {
  return map2("silu", g, x, [](auto v, auto w) {
    const auto s = math::sigmoid(w);
    return v * (s + w * s * (1 - s));
  });
}

namespace {

template <class T>
bool span_is_finite(const T* p, std::int64_t n) {
  bool finite = true;
  bool* result = &finite;
  simd::call([=]() __attribute__((always_inline)) {
    // x − x is 0 for a number and NaN for anything else; blocks let it vectorise and end early.
    for (std::int64_t i = 0; i < n && *result; i += 4096) {
      const std::int64_t length = n - i < 4096 ? n - i : 4096;
      int bad = 0;
      for (std::int64_t k = 0; k < length; ++k) bad |= (p[i + k] - p[i + k] != 0);
      if (bad) *result = false;
    }
  });
  return finite;
}

}  // namespace

bool all_finite(const void* p, std::int64_t n, DType dtype) {
  return dispatch_floating(dtype,
                           [&]<class T>(T) { return span_is_finite(static_cast<const T*>(p), n); });
}

bool all_finite(const Tensor& x) {
  detail::check_may_read("all_finite");
  if (!is_floating(x.dtype())) return true;
  detail::Storage& storage = *x.body().storage;
  // Unchanged since the last look, as far as anybody can tell.
  const bool seen = !storage.pool && !storage.exposed && !storage.foreign;
  if (seen && storage.finite_at == storage.version + 1) return true;
  const Tensor flat = is_dense(x) ? x : contiguous(x);
  const bool finite = dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(flat);
    const std::int64_t n = flat.numel();
    if (n <= kElementwiseGrain) return span_is_finite(p, n);
    std::atomic<bool> all{true};
    // From the end: what is read last, the beginning, is still in the cache when an update starts.
    parallel_for(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      if (!span_is_finite(p + (n - end), end - begin)) all.store(false, std::memory_order_relaxed);
    });
    return all.load();
  });
  const bool whole = static_cast<std::size_t>(x.numel()) * size_of(x.dtype()) == storage.bytes;
  if (finite && seen && whole) storage.finite_at = storage.version + 1;
  return finite;
}

}  // namespace descent::kernel
