// Compares every function of one variable, and its gradient, with the C++ library in double, over
// every float or over every n-th.
#pragma once

#include <descent/core/parallel.h>
#include <descent/descent.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

namespace descent::testing {

struct Swept {
  std::string name;
  Tensor (*f)(const Tensor&);
  double (*value)(double);
  double (*slope)(double);
  bool rises;    // the function never falls
  double ulps;   // the most that a value may be away, in units of the last place
  double steep;  // the most that a gradient may be away, in units of 2⁻²⁴ of max(1, |gradient|)
};

struct Sweep {
  double ulps = 0, slope = 0;       // the largest errors
  float ulps_at = 0, slope_at = 0;  // where
  double fall = 0;        // the largest step down of a rising function, in units of the last place
  std::int64_t lost = 0;  // NaN in place of a number
  float fall_at = 0, lost_at = 0;
};

inline double normal_cdf(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// The bounds of silu and gelu are wide because of their tails, where e⁻ˣ is nearly subnormal.
inline const std::vector<Swept>& swept() {
  static const std::vector<Swept> all{
      {"exp", exp, std::exp, std::exp, true, 4, 4},
      {"expm1", expm1, std::expm1, std::exp, true, 4, 8},
      {"log", log, std::log, [](double x) { return 1 / x; }, true, 4, 2},
      {"log1p", log1p, std::log1p, [](double x) { return 1 / (1 + x); }, true, 4, 4},
      {"log2", log2, std::log2, [](double x) { return 1.4426950408889634 / x; }, true, 0.51, 4},
      {"log10", log10, std::log10, [](double x) { return 0.43429448190325183 / x; }, true, 0.51, 4},
      {"sinh", sinh, std::sinh, std::cosh, true, 0.51, 4},
      {"cosh", cosh, std::cosh, std::sinh, false, 0.51, 4},
      {"atan", atan, std::atan, [](double x) { return 1 / (1 + x * x); }, true, 0.51, 4},
      {"sqrt", sqrt, std::sqrt, [](double x) { return 0.5 / std::sqrt(x); }, true, 1, 4},
      {"rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); },
       [](double x) { return -0.5 / (x * std::sqrt(x)); }, false, 2, 16},
      {"reciprocal", reciprocal, [](double x) { return 1 / x; },
       [](double x) { return -1 / (x * x); }, false, 1, 8},
      {"square", square, [](double x) { return x * x; }, [](double x) { return 2 * x; }, false, 1,
       2},
      {"sin", sin, std::sin, std::cos, false, 1.6, 2},
      {"cos", cos, std::cos, [](double x) { return -std::sin(x); }, false, 1.6, 2},
      {"erf", erf, std::erf, [](double x) { return 1.1283791670955126 * std::exp(-x * x); }, true,
       4, 8},
      {"tanh", tanh, std::tanh,
       [](double x) {
         const double c = std::cosh(x);
         return 1 / c / c;
       },
       true, 6, 16},
      {"sigmoid", sigmoid, logistic, [](double x) { return logistic(x) * logistic(-x); }, true, 6,
       4},
      {"silu", silu, [](double x) { return x < -745 ? -0.0 : x * logistic(x); },
       [](double x) {
         return x < -700 ? 0.0 : x > 700 ? 1.0 : logistic(x) * (1 + x * logistic(-x));
       },
       false, 64, 8},
      {"gelu", [](const Tensor& x) { return gelu(x); },
       [](double x) { return x < -40 ? -0.0 : x * normal_cdf(x); },
       [](double x) {
         const double far = std::fabs(x) > 40 ? 0 : x * 0.3989422804014327 * std::exp(-0.5 * x * x);
         return normal_cdf(x) + far;
       },
       false, 128, 16},
      {"softplus", softplus,
       [](double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }, logistic,
       true, 6, 4},
      {"elu", [](const Tensor& x) { return elu(x); },
       [](double x) { return x > 0 ? x : std::expm1(x); },
       [](double x) { return x > 0 ? 1 : std::exp(x); }, true, 4, 4},
  };
  return all;
}

/// |y − exact| in units of the last place of the float nearest to exact. 0 if both are infinite.
/// Results below 2⁻¹²⁶ may be 0: there the unit is 2⁻¹²⁶.
inline double ulps_between(float y, double exact) {
  const float near = static_cast<float>(exact);
  if (y == near) return 0;
  if (std::isinf(near) || std::isinf(y)) {
    // Counts infinity as the float behind the largest one.
    const double size = 0x1p128, step = 0x1p104;
    const double a = std::isinf(y) ? std::copysign(size, y) : static_cast<double>(y);
    const double b = std::fabs(exact) > size ? std::copysign(size, exact) : exact;
    return std::fabs(a - b) / step;
  }
  const float next = std::nextafterf(std::fabs(near), std::numeric_limits<float>::infinity());
  double ulp = std::isinf(next) ? 0x1p104 : static_cast<double>(next - std::fabs(near));
  if (std::fabs(exact) < 0x1p-126) ulp = 0x1p-126;
  return std::fabs(static_cast<double>(y) - exact) / ulp;
}

/// The float number i in rising order, from −∞ (0) to ∞.
inline float float_at(std::int64_t i) {
  constexpr std::int64_t kInfinity = 0x7f800000;
  const std::int64_t k = i - kInfinity;
  const auto bits = static_cast<std::uint32_t>(k < 0 ? -k : k);
  const float x = std::bit_cast<float>(bits);
  return k < 0 ? -x : x;
}
inline constexpr std::int64_t kFloats = 2 * std::int64_t{0x7f800000} + 1;
inline std::int64_t number_of(float x) {
  const std::int64_t k = std::bit_cast<std::uint32_t>(std::fabs(x));
  return kFloats / 2 + (std::signbit(x) ? -k : k);
}

/// Compares f at every `stride`-th float from the float number `first` on, in rising order.
inline Sweep sweep(const Swept& f, std::int64_t stride, std::int64_t first = 0,
                   std::int64_t last = kFloats) {
  constexpr std::int64_t kBlock = 1 << 16;
  const std::int64_t n = (last - first + stride - 1) / stride;
  Sweep total;
  std::mutex mutex;
  parallel_for(n, kBlock, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> xs;
    // One float of the block before, so that no step between blocks is missed.
    for (std::int64_t i = std::max<std::int64_t>(begin - 1, 0); i < end; ++i)
      xs.push_back(float_at(first + i * stride));
    const Tensor x = tensor(xs).requires_grad_(), y = f.f(x);
    y.backward(ones_like(y));
    const std::vector<float> ys = y.to_vector<float>(), slopes = x.grad().to_vector<float>();
    Sweep own;
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const double exact = f.value(static_cast<double>(xs[i])),
                   exact_slope = f.slope(static_cast<double>(xs[i]));
      if (std::isnan(exact)) continue;
      if (std::isnan(ys[i])) {
        own.lost_at = xs[i];
        ++own.lost;
        continue;
      }
      if (const double u = ulps_between(ys[i], exact); u > own.ulps) {
        own.ulps = u;
        own.ulps_at = xs[i];
      }
      if (f.rises && i > 0 && ys[i] < ys[i - 1])
        if (const double u = ulps_between(ys[i], static_cast<double>(ys[i - 1])); u > own.fall) {
          own.fall = u;
          own.fall_at = xs[i];
        }
      // backward() takes subnormal numbers for 0.
      const bool subnormal = xs[i] != 0 && !std::isnormal(xs[i]) && !std::isinf(xs[i]);
      if (subnormal || !(std::fabs(exact_slope) < 3e38)) continue;
      if (std::isnan(slopes[i])) {
        own.lost_at = xs[i];
        ++own.lost;
        continue;
      }
      const double e = std::fabs(static_cast<double>(slopes[i]) - exact_slope) /
                       std::fmax(1, std::fabs(exact_slope)) * 0x1p24;
      if (e > own.slope) {
        own.slope = e;
        own.slope_at = xs[i];
      }
    }
    const std::lock_guard lock(mutex);
    if (own.ulps > total.ulps) total.ulps = own.ulps, total.ulps_at = own.ulps_at;
    if (own.slope > total.slope) total.slope = own.slope, total.slope_at = own.slope_at;
    if (own.lost > 0) total.lost += own.lost, total.lost_at = own.lost_at;
    if (own.fall > total.fall) total.fall = own.fall, total.fall_at = own.fall_at;
  });
  return total;
}

}  // namespace descent::testing
