// The functions of core/kernels/math*.h against the library in a higher precision.
#include "tests/support/ulps.h"

#include <descent/core/kernels/math_power.h>
#include <descent/descent.h>
#include <gtest/gtest.h>

#include <bit>

namespace descent {
namespace {

using testing::ulps;

/// Compares `own` with `exact` at every 997th float, among them negative numbers, NaNs and
/// infinities.
template <class F, class G>
void expect_within(double limit, F own, G exact) {
  double worst = 0;
  float at = 0;
  for (std::uint64_t bits = 0; bits <= 0xFFFFFFFFu; bits += 997) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    const double u = ulps(own(x), exact(static_cast<double>(x)));
    if (!(u <= worst)) {
      worst = u;
      at = x;
    }
  }
  EXPECT_LE(worst, limit) << "at " << at;
}

TEST(Math, Exp) {
  expect_within(
      1.5, [](float x) { return math::exp(x); }, [](double x) { return std::exp(x); });
}
TEST(Math, Expm1) {
  expect_within(
      4, [](float x) { return math::expm1(x); }, [](double x) { return std::expm1(x); });
}
TEST(Math, Log) {
  expect_within(
      2, [](float x) { return math::log(x); }, [](double x) { return std::log(x); });
}
TEST(Math, Log1p) {
  expect_within(
      4, [](float x) { return math::log1p(x); }, [](double x) { return std::log1p(x); });
}
TEST(Math, Tanh) {
  expect_within(
      6, [](float x) { return math::tanh(x); }, [](double x) { return std::tanh(x); });
}
TEST(Math, Erf) {
  expect_within(
      4, [](float x) { return math::erf(x); }, [](double x) { return std::erf(x); });
}
TEST(Math, Sigmoid) {
  expect_within(
      4, [](float x) { return math::sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); });
}

TEST(Math, SinAndCos) {
  expect_within(
      2, [](float x) { return math::sin(x); }, [](double x) { return std::sin(x); });
  expect_within(
      2, [](float x) { return math::cos(x); }, [](double x) { return std::cos(x); });
}

/// Compares an operator on doubles with `exact`, at numbers between low and high, at doubles of
/// random bits, and at special numbers.
void expect_doubles(const char* name, double limit, Tensor (*own)(const Tensor&),
                    long double (*exact)(long double), double low, double high) {
  constexpr std::int64_t kMany = 100000;
  Generator generator(31);
  Tensor x = rand({2 * kMany + 14}, generator, kFloat64) * (high - low) + low;
  double* const p = x.data_ptr<double>();
  for (std::int64_t i = 0; i < kMany; ++i) p[kMany + i] = std::bit_cast<double>(generator.next());
  const double special[] = {
      0.0,    -0.0,     0x1p-1074, -0x1p-1074, 0x1p-1022,        1.0,   -1.0, 1e300,
      -1e300, INFINITY, -INFINITY, NAN,        709.782712893384, -745.2};
  std::copy(std::begin(special), std::end(special), p + 2 * kMany);
  const Tensor y = own(x);
  const double* const q = y.data_ptr<double>();
  double worst = 0, at = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i)
    if (const double u = ulps(q[i], exact(static_cast<long double>(p[i]))); !(u <= worst)) {
      worst = u;
      at = p[i];
    }
  EXPECT_LE(worst, limit) << name << " at " << at << ", seed 31";
  if (exact(-0.0L) == 0) {
    EXPECT_TRUE(std::signbit(q[2 * kMany + 1])) << name << " of -0";
  }
}

TEST(Math, DoublesAreWithinFourUnits) {
  using Long = long double;
  const auto softplus_of = +[](Long x) {
    return std::isnan(x) ? x : (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
  };
  const auto own_gelu = +[](const Tensor& x) { return gelu(x); };
  const auto gelu_of =
      +[](Long x) { return x < -39 ? -0.0L : x * (std::erfc(-x / std::sqrt(Long(2))) / 2); };
  expect_doubles(
      "exp", 1.5, exp, [](Long x) { return std::exp(x); }, -746, 711);
  expect_doubles(
      "expm1", 3, expm1, [](Long x) { return std::expm1(x); }, -2, 2);
  expect_doubles(
      "log", 1.5, log, [](Long x) { return std::log(x); }, 0, 3);
  expect_doubles(
      "log1p", 2.5, log1p, [](Long x) { return std::log1p(x); }, -1, 2);
  expect_doubles(
      "tanh", 3.5, tanh, [](Long x) { return std::tanh(x); }, -2, 2);
  expect_doubles(
      "sigmoid", 3, sigmoid, [](Long x) { return 1 / (1 + std::exp(-x)); }, -745, 40);
  expect_doubles(
      "erf", 2.5, erf, [](Long x) { return std::erf(x); }, -3, 3);
  expect_doubles(
      "sin", 3, sin, [](Long x) { return std::sin(x); }, -1e6, 1e6);
  expect_doubles(
      "sin", 3, sin, [](Long x) { return std::sin(x); }, -4, 4);
  expect_doubles(
      "cos", 3, cos, [](Long x) { return std::cos(x); }, -1e6, 1e6);
  expect_doubles(
      "cos", 3, cos, [](Long x) { return std::cos(x); }, -4, 4);
  expect_doubles("softplus", 3, softplus, softplus_of, -745, 40);
  expect_doubles("gelu", 5, own_gelu, gelu_of, -37.5, 9);  // below, Φ is subnormal
}

TEST(Math, LogarithmsHyperbolicsAndArctangent) {
  using Long = long double;
  expect_doubles(
      "log2", 0.51, log2, [](Long x) { return std::log2(x); }, 0, 3);
  expect_doubles(
      "log10", 0.51, log10, [](Long x) { return std::log10(x); }, 0, 3);
  expect_doubles(
      "sinh", 3, sinh, [](Long x) { return std::sinh(x); }, -2, 2);
  expect_doubles(
      "sinh", 3, sinh, [](Long x) { return std::sinh(x); }, -712, 712);
  expect_doubles(
      "cosh", 2, cosh, [](Long x) { return std::cosh(x); }, -712, 712);
  expect_doubles(
      "atan", 2.5, atan, [](Long x) { return std::atan(x); }, -4, 4);
  expect_within(
      0.52, [](float x) { return math::log2(x); }, [](double x) { return std::log2(x); });
  expect_within(
      0.52, [](float x) { return math::log10(x); }, [](double x) { return std::log10(x); });
  expect_within(
      0.51, [](float x) { return math::sinh(x); }, [](double x) { return std::sinh(x); });
  expect_within(
      0.51, [](float x) { return math::cosh(x); }, [](double x) { return std::cosh(x); });
  expect_within(
      0.51, [](float x) { return math::atan(x); }, [](double x) { return std::atan(x); });
  for (int k = 0; k <= 22; ++k)
    EXPECT_EQ(log10(tensor(std::pow(10.0, k), kFloat64)).item<double>(), k);
  for (int k = -1074; k < 1024; ++k)
    EXPECT_EQ(log2(tensor(std::ldexp(1.0, k), kFloat64)).item<double>(), k);
}

/// Compares an operator of two variables with `exact`, on the given pairs.
template <class T>
void expect_pairs(const char* name, double limit, Tensor (*own)(const Tensor&, const Tensor&),
                  long double (*exact)(long double, long double), const std::vector<T>& x,
                  const std::vector<T>& y) {
  const std::vector<T> got = own(tensor(x), tensor(y)).template to_vector<T>();
  double worst = 0, at_x = 0, at_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double truth = exact(static_cast<long double>(x[i]), static_cast<long double>(y[i]));
    const T rounded = static_cast<T>(truth);
    double u = ulps(got[i], truth);
    if (std::signbit(rounded) != std::signbit(got[i]) && !std::isnan(rounded)) u = INFINITY;
    if (!(u <= worst))
      worst = u, at_x = static_cast<double>(x[i]), at_y = static_cast<double>(y[i]);
  }
  EXPECT_LE(worst, limit) << name << " of " << dtype_of<T> << " at " << at_x << ", " << at_y;
}

/// Checks pow and atan2 on ordinary pairs, on random bits, on powers near the ends of the range,
/// and on all pairs of special numbers.
template <class T>
void expect_powers() {
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  constexpr std::uint64_t kSeed = 32;
  Generator generator(kSeed);
  const auto between = [&](double low, double high) {
    return static_cast<T>(low + (high - low) * generator.uniform());
  };
  const auto any = [&] { return std::bit_cast<T>(static_cast<Bits>(generator.next())); };
  const auto exact_pow = +[](long double x, long double y) { return std::pow(x, y); };
  const auto exact_atan2 = +[](long double y, long double x) { return std::atan2(y, x); };
  std::vector<T> x, y;
  const auto expect_all = [&](const char* what) {
    SCOPED_TRACE(what);
    expect_pairs<T>("pow", 1.6, pow, exact_pow, x, y);
    expect_pairs<T>("atan2", 3, atan2, exact_atan2, x, y);
    x.clear(), y.clear();
  };
  for (int i = 0; i < 100000; ++i) x.push_back(between(0, 3)), y.push_back(between(-5, 5));
  expect_all("ordinary pairs");
  for (int i = 0; i < 100000; ++i)
    x.push_back(between(-9, 9)), y.push_back(std::nearbyint(between(-30, 30)));
  expect_all("whole powers");
  for (int i = 0; i < 100000; ++i) x.push_back(any()), y.push_back(any());
  expect_all("random bits");
  for (int i = 0; i < 100000; ++i) {
    const double most = sizeof(T) == 8 ? 745 : 104;
    x.push_back(i % 2 == 0 ? std::fabs(any())
                           : static_cast<T>(1 + static_cast<double>(between(-1, 1)) *
                                                    std::exp2(-20 * generator.uniform())));
    y.push_back(static_cast<T>(static_cast<double>(between(-1, 1)) * most /
                               std::log(static_cast<double>(x.back()))));
  }
  expect_all("results over the whole range");
  using Limits = std::numeric_limits<T>;
  const T special[] = {T(0.0),
                       T(-0.0),
                       1,
                       -1,
                       2,
                       -3,
                       T(0.5),
                       T(-1.5),
                       Limits::infinity(),
                       -Limits::infinity(),
                       Limits::quiet_NaN(),
                       Limits::max(),
                       Limits::lowest(),
                       Limits::min(),
                       Limits::denorm_min(),
                       -Limits::denorm_min(),
                       T(0x1p24),
                       T(-0x1p24 + 1),
                       T(0x1p22 + 1),
                       T(0x1p53),
                       T(0x1p53 - 1),
                       std::nextafter(T(1), T(0)),
                       std::nextafter(T(-1), T(-2))};
  for (const T a : special)
    for (const T b : special) x.push_back(a), y.push_back(b);
  expect_all("special numbers");
}

TEST(Math, PowersAndAngles) {
  expect_powers<double>();
  expect_powers<float>();
}

/// Checks x^y for all small whole x and y whose power is a T.
template <class T>
void expect_exact_powers() {
  std::vector<T> x, y, exact;
  const double most = std::ldexp(1.0, std::numeric_limits<T>::digits);
  for (int base = -50; base <= 50; ++base) {
    double power = 1;
    for (int n = 0; n <= 60 && std::fabs(power) <= most; ++n, power *= base) {
      x.push_back(static_cast<T>(base)), y.push_back(static_cast<T>(n));
      exact.push_back(static_cast<T>(power));
    }
  }
  EXPECT_GT(x.size(), 500u);
  EXPECT_EQ(pow(tensor(x), tensor(y)).template to_vector<T>(), exact);
}

TEST(Math, PowersOfWholeNumbersAreExact) {
  expect_exact_powers<double>();
  expect_exact_powers<float>();
}

TEST(Math, SineBesideMultiplesOfQuartersLosesNoDigits) {
  double worst = 0;
  for (int k = 1; k < 630000; k += 7) {
    const auto x = static_cast<double>(k * 1.57079632679489661923132169163975144L);
    for (const double y : {x, std::nextafter(x, 0), std::nextafter(x, INFINITY)}) {
      worst = std::max(worst, ulps(math::sin(y), std::sin(static_cast<long double>(y))));
      worst = std::max(worst, ulps(math::cos(y), std::cos(static_cast<long double>(y))));
    }
  }
  EXPECT_LE(worst, 2);
}

TEST(Math, VectorisedAndAloneGiveTheSameBits) {
  // Runs each function on a long array, and on each element alone. The vectorised loop and the loop
  // for the rest must give the same bits.
  Generator generator(2);
  const Tensor x = randn({1003}, generator) * 3, y = abs(x) + 0.01;
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> all{
      {"exp", [](const Tensor& t) { return exp(t); }},
      {"expm1", [](const Tensor& t) { return expm1(t); }},
      {"log", [](const Tensor& t) { return log(abs(t)); }},
      {"log1p", [](const Tensor& t) { return log1p(abs(t)); }},
      {"tanh", [](const Tensor& t) { return tanh(t); }},
      {"erf", [](const Tensor& t) { return erf(t); }},
      {"sigmoid", [](const Tensor& t) { return sigmoid(t); }},
      {"gelu", [](const Tensor& t) { return gelu(t); }},
      {"softplus", [](const Tensor& t) { return softplus(t); }},
      {"silu", [](const Tensor& t) { return silu(t); }},
      {"sin", [](const Tensor& t) { return sin(t); }},
      {"cos", [](const Tensor& t) { return cos(t); }},
      {"log2", [](const Tensor& t) { return log2(abs(t)); }},
      {"log10", [](const Tensor& t) { return log10(abs(t)); }},
      {"sinh", [](const Tensor& t) { return sinh(t); }},
      {"cosh", [](const Tensor& t) { return cosh(t); }},
      {"atan", [](const Tensor& t) { return atan(t); }},
      {"pow", [](const Tensor& t) { return pow(abs(t), t); }},
      {"pow, not every pair ordinary", [](const Tensor& t) { return pow(t, abs(t)); }},
      {"cube", [](const Tensor& t) { return pow(t, 3); }},
      {"atan2", [](const Tensor& t) { return atan2(t, t + 0.5); }},
      {"logaddexp", [](const Tensor& t) { return logaddexp(t, 1 - t); }},
      {"rsqrt", [](const Tensor& t) { return rsqrt(abs(t)); }}};
  const Tensor wide = x.to(kFloat64);
  for (const auto& [name, f] : all) {
    const std::vector<double> doubles = f(wide).to_vector<double>();
    for (std::int64_t i = 0; i < x.numel(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint64_t>(doubles[static_cast<std::size_t>(i)]),
                std::bit_cast<std::uint64_t>(f(wide.slice(0, i, i + 1)).item<double>()))
          << name << " of doubles at " << i;
    const std::vector<float> together = f(x).to_vector<float>();
    for (std::int64_t i = 0; i < x.numel(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(together[static_cast<std::size_t>(i)]),
                std::bit_cast<std::uint32_t>(f(x.slice(0, i, i + 1)).item<float>()))
          << name << " at " << i;
  }
}

TEST(Math, ShortFormsGiveTheSameBits) {
  for (std::uint32_t bits = 0; bits < std::bit_cast<std::uint32_t>(math::kExpMost); bits += 997)
    for (const float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)})
      ASSERT_EQ(math::exp_within(x), math::exp(x)) << x;
  for (float x = 0; x <= math::kTanhMost; x = x < 5 ? x + 1e-6f : std::nextafter(x, INFINITY))
    ASSERT_EQ(math::tanh_within(x), math::tanh(x)) << x;  // every float near the limit, where y ≈ 1
  for (std::uint32_t bits = 0; bits < std::bit_cast<std::uint32_t>(math::kNormalMost); bits += 997)
    for (const float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)}) {
      ASSERT_EQ(math::normal_within(x).cdf, math::normal(x).cdf) << x;
      ASSERT_EQ(math::normal_within(x).density, math::normal(x).density) << x;
    }
}

TEST(Math, ElementsOutsideTheShortFormsRange) {
  // An element outside the range must not change the other elements of its block.
  Generator generator(3);
  for (const float odd : {-200.0f, -90.0f, 9.0f, 89.0f, INFINITY, -INFINITY, NAN, 1e-42f}) {
    const Tensor x = randn({3000}, generator) * 2;
    Tensor y = x.clone();
    y.data_ptr<float>()[1500] = odd;
    const auto expect_as = [&](const char* name, const Tensor& got, float truth, double most) {
      const float own = got.slice(0, 1500, 1501).item<float>();
      EXPECT_LE(ulps(own, static_cast<double>(truth)), most) << name << "(" << odd << ") = " << own;
    };
    expect_as("exp", exp(y), std::exp(odd), 1.5);
    expect_as("tanh", tanh(y), std::tanh(odd), 6);
    expect_as("gelu", gelu(y), odd < -80 ? 0 : odd > 0 && odd < 1 ? odd / 2 : odd, 1);
    for (const auto& f :
         {+[](const Tensor& t) { return exp(t); }, +[](const Tensor& t) { return tanh(t); },
          +[](const Tensor& t) { return gelu(t); }}) {
      std::vector<float> without = f(x).to_vector<float>(), with = f(y).to_vector<float>();
      without[1500] = with[1500] = 0;
      ASSERT_EQ(without, with);
    }
  }
}

TEST(Math, Normal) {
  double worst = 0, worst_density = 0;
  for (float x = -15; x < 15; x += 1e-5f) {
    const auto n = math::normal(x);
    const auto exact = math::normal(static_cast<double>(x));
    worst = std::max(worst, std::fabs(static_cast<double>(n.cdf) - exact.cdf));
    worst_density =
        std::max(worst_density, std::fabs(static_cast<double>(n.density) - exact.density));
  }
  EXPECT_LE(worst, 1e-7);
  EXPECT_LE(worst_density, 5e-8);
  EXPECT_EQ(math::normal(INFINITY).cdf, 1);
  EXPECT_EQ(math::normal(-INFINITY).cdf, 0);
  EXPECT_EQ(math::normal(INFINITY).density, 0);
  EXPECT_TRUE(std::isnan(math::normal(NAN).cdf));
}

TEST(Softmax, DoesNotOverflowOrLoseRows) {
  const Tensor x = tensor({{1000.0, 1001.0}, {-1e30, -1e30}, {0.0, -1e38}});
  const std::vector<double> p = softmax(x, 1).to_vector();
  EXPECT_NEAR(p[0], 1 / (1 + std::exp(1.0)), 1e-7);
  EXPECT_EQ(p[2], 0.5);
  EXPECT_EQ(p[4], 1);
  EXPECT_NEAR(log_softmax(x, 1).to_vector()[0], -std::log1p(std::exp(1.0)), 1e-6);
  // Rows that need no shift, and the same rows plus 100, which need a shift, must give the same
  // probabilities.
  Generator generator(5);
  const Tensor small = randn({7, 133}, generator) * 4;
  const Tensor shifted = softmax(small + 100, 1), plain = softmax(small, 1);
  EXPECT_LE(max(abs(shifted - plain)).item(), 1e-5);
  EXPECT_LE(max(abs(sum(plain, {1}) - 1)).item(), 1e-6);
  for (const float odd : {INFINITY, NAN, -INFINITY, 41.0f, -1e30f}) {
    Tensor row = small.clone();
    row.data_ptr<float>()[2 * 133 + 131] = odd;
    const std::vector<double> got = softmax(row, 1).to_vector();
    const std::vector<double> exact = softmax(row.to(kFloat64), 1).to_vector();
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::isnan(exact[i]))
        ASSERT_TRUE(std::isnan(got[i])) << odd;
      else
        ASSERT_NEAR(got[i], exact[i], 1e-6) << odd;
    }
  }
  EXPECT_EQ(logsumexp(tensor({-INFINITY, -INFINITY})).item(), -INFINITY);
  EXPECT_EQ(logsumexp(tensor({INFINITY, 1.0})).item(), INFINITY);
}

}  // namespace
}  // namespace descent
