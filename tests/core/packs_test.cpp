// Packs: ratio(), sums of a formula's terms, and every function of packs against that of numbers.
#include "tests/support/ulps.h"

#include <descent/core/random.h>
#include <descent/core/simd/pack.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace descent {
namespace {

using testing::ulps;

/// ratio() of packs.
std::vector<float> ratios(std::vector<float> a, std::vector<float> b) {
  std::vector<float> out(a.size());
  simd::loop_packs(
      static_cast<std::int64_t>(a.size()), [](auto x, auto y, auto& o) { o = ratio(x, y); },
      a.data(), b.data(), out.data());
  return out;
}

TEST(Packs, ARatioIsWithinOneAndAHalfUnits) {
  constexpr std::uint64_t kSeed = 11;
  Generator generator(kSeed);
  std::vector<float> a, b;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto number = [&](double most) {
      return static_cast<float>((1 + generator.uniform()) *
                                std::exp2(most * (2 * generator.uniform() - 1)));
    };
    a.push_back(number(60) * (i % 2 == 0 ? 1.0f : -1.0f)), b.push_back(number(60));
  }
  const std::vector<float> got = ratios(a, b);
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, ulps(got[i], static_cast<double>(a[i]) / static_cast<double>(b[i])));
  EXPECT_LE(worst, 1.5) << "seed " << kSeed;
}

TEST(Packs, ARatioToZeroOrInfinityIsZero) {
  const std::vector<float> a{0, 1, -1, 3, 1e30f, NAN, 1, 0x1p100f},
      b{0, 0, 0, INFINITY, INFINITY, 1, NAN, 0x1p125f}, got = ratios(a, b);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(got[i], 0) << i;
  EXPECT_TRUE(std::isnan(got[5]));
  EXPECT_TRUE(std::isnan(got[6]));
  EXPECT_EQ(got[7], 0x1p-25f);
}

TEST(Packs, WhatIsLeftOverHasTheSameBits) {
  constexpr std::uint64_t kSeed = 12;
  Generator generator(kSeed);
  std::vector<float> a, b;
  for (int i = 0; i < 100; ++i) {
    a.push_back(static_cast<float>(generator.uniform() - 0.5));
    b.push_back(static_cast<float>(generator.uniform() - 0.5));
  }
  const std::vector<float> whole = ratios(a, b);
  for (std::ptrdiff_t n = 0; n < 50; ++n) {
    const std::vector<float> part = ratios({a.begin(), a.begin() + n}, {b.begin(), b.begin() + n});
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << n << ", seed " << kSeed;
  }
}

/// Returns Σ a and Σ |a·b|, and doubles b in the same pass.
template <class T>
std::array<double, 2> sums(std::vector<T> a, std::vector<T>& b) {
  const auto n = static_cast<std::int64_t>(a.size());
  std::array<double, 2> out{};
  const auto terms = [](auto x, auto& y) {
    const auto product = x * y;
    y += y;
    x += x;  // x is a copy: the array does not change
    return std::array{x - x / 2, abs(product)};
  };
  const std::vector<T> before = a;
  simd::sum_packs(n, terms, out.data(), a.data(), b.data());
  EXPECT_EQ(a, before);
  return out;
}

template <class T>
void expect_sums() {
  constexpr std::uint64_t kSeed = 13;
  Generator generator(kSeed);
  for (const std::size_t n :
       {0, 1, 7, 16, 17, 63, 64, 65, 511, 512, 513, 2047, 2049, 16384, 20011}) {
    std::vector<T> a(n), b(n);
    for (T& x : a) x = static_cast<T>(generator.uniform() - 0.5);
    for (T& x : b) x = static_cast<T>(generator.uniform() - 0.5);
    long double first = 0, second = 0, size = 0;
    for (std::size_t i = 0; i < n; ++i) {
      first += static_cast<long double>(a[i]);
      size += static_cast<long double>(std::fabs(a[i]));
      second += static_cast<long double>(std::fabs(a[i] * b[i]));
    }
    std::vector<T> doubled = b;
    for (T& x : doubled) x += x;
    std::vector<T> changed = b, again = b;
    const auto got = sums(a, changed);
    // Each term goes through at most about 5 + 32 roundings in T.
    const double bound = 40 * static_cast<double>(std::numeric_limits<T>::epsilon());
    EXPECT_NEAR(got[0], static_cast<double>(first), bound * static_cast<double>(size)) << n;
    EXPECT_NEAR(got[1], static_cast<double>(second), bound * static_cast<double>(second)) << n;
    EXPECT_EQ(changed, doubled) << n << ", seed " << kSeed;
    EXPECT_EQ(got, sums(a, again)) << n << ", seed " << kSeed;  // at another address too
  }
}

/// Compares every function and operator of packs at one level with the same function of numbers.
template <class Set, class T>
void expect_functions(const char* name) {
  constexpr std::uint64_t kSeed = 14;
  Generator generator(kSeed);
  std::vector<T> a, b;
  const T odd[] = {0,
                   T(-0.0),
                   1,
                   -1,
                   std::numeric_limits<T>::infinity(),
                   -std::numeric_limits<T>::infinity(),
                   std::numeric_limits<T>::quiet_NaN()};
  for (const T x : odd)
    for (const T y : odd) a.push_back(x), b.push_back(y);
  for (int i = 0; i < 100; ++i) {
    a.push_back(static_cast<T>(generator.uniform() * 4 - 2));
    b.push_back(static_cast<T>(generator.uniform() * 4 - 2));
  }
  const auto n = static_cast<std::int64_t>(a.size());
  const auto expect = [&](const char* what, auto formula, auto number) {
    std::vector<T> got(a.size());
    const T *x = a.data(), *y = b.data();
    Set::loop(n, formula, x, y, got.data());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const T right = number(a[i], b[i]);
      ASSERT_TRUE(got[i] == right || (got[i] != got[i] && right != right))
          << name << ", " << what << " of " << a[i] << " and " << b[i] << ": " << got[i]
          << ", seed " << kSeed;
    }
  };
  const T c = T(0.3);
  expect(
      "+ − * /", [=](auto x, auto y, auto& o) { o = (x + c) / (y - 2) * -x; },
      [=](T x, T y) { return (x + c) / (y - T(2)) * -x; });
  expect(
      "in place", [=](auto x, auto y, auto& o) { o = x, o += y, o *= c, o -= 1, o /= y; },
      [=](T x, T y) {
        T o = x;
        o += y, o *= c, o -= 1, o /= y;
        return o;
      });
  expect(
      "where", [=](auto x, auto y, auto& o) { o = where((x > y) & !(x == 1), x, c); },
      [=](T x, T y) { return x > y && x != 1 ? x : c; });
  expect(
      "comparisons",
      [=](auto x, auto y, auto& o) {
        o = where(x < y, 1, 0) + where(x <= y, 2, 0) + where((x >= y) | (x != y), 4, 0);
      },
      [=](T x, T y) { return T((x < y ? 1 : 0) + (x <= y ? 2 : 0) + (x >= y || x != y ? 4 : 0)); });
  expect(
      "sqrt", [](auto x, auto, auto& o) { o = sqrt(x); }, [](T x, T) { return std::sqrt(x); });
  expect(
      "abs and sign", [](auto x, auto y, auto& o) { o = abs(x) + sign(y); },
      [](T x, T y) {
        return std::fabs(x) + T(y > 0 ? 1 : y < 0 ? -1 : 0);
      });
  expect(
      "max and min", [](auto x, auto y, auto& o) { o = max(x, y) + min(x, 1); },
      [](T x, T y) { return (x > y ? x : y) + (x < 1 ? x : T(1)); });
#if defined(__x86_64__)
  constexpr bool is_avx512 = std::is_same_v<Set, simd::Avx512>;
#else
  constexpr bool is_avx512 = false;
#endif
  if constexpr (sizeof(T) == 8 || !is_avx512) {
    expect(
        "fma", [](auto x, auto y, auto& o) { o = fma(x, y, 0.25); },
        [](T x, T y) {
          const volatile T product = x * y;  // rounded before the sum
          return product + T(0.25);
        });
    expect(
        "ratio", [](auto x, auto y, auto& o) { o = ratio(x, y); },
        [](T x, T y) { return y == 0 ? T(0) : x / y; });
  }
}

TEST(Packs, ComputeWhatNumbersDo) {
  expect_functions<simd::Baseline, float>("baseline");
  expect_functions<simd::Baseline, double>("baseline");
#if defined(__x86_64__)
  if (simd::level() == simd::Level::baseline) return;
  expect_functions<simd::Avx2, float>("avx2");
  expect_functions<simd::Avx2, double>("avx2");
  if (simd::level() == simd::Level::avx2) return;
  expect_functions<simd::Avx512, float>("avx512");
  expect_functions<simd::Avx512, double>("avx512");
#endif
}

TEST(Sum, IsCloseWhateverTheLength) {
  expect_sums<float>();
  expect_sums<double>();
}

}  // namespace
}  // namespace descent
