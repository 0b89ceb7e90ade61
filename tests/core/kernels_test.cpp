// Products, reductions and copies are compared with plain loops. They must have the same bits for
// any number of threads.
#include "tests/support/threads.h"

#include <descent/core/kernels/gemm.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/simd/loop.h>
#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

/// a (M, K) · b (K, N) in double, the plain way.
std::vector<double> plain_product(const Tensor& a, const Tensor& b) {
  const auto M = a.size(0), K = a.size(1), N = b.size(1);
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  std::vector<double> z(static_cast<std::size_t>(M * N));
  for (std::int64_t i = 0; i < M; ++i)
    for (std::int64_t k = 0; k < K; ++k)
      for (std::int64_t j = 0; j < N; ++j)
        z[static_cast<std::size_t>(i * N + j)] +=
            x[static_cast<std::size_t>(i * K + k)] * y[static_cast<std::size_t>(k * N + j)];
  return z;
}

TEST(Gemm, AgreesWithPlainLoopsForOddSizesAndEveryLayout) {
  Generator generator(4);
  const std::int64_t sizes[] = {1, 2, 5, 7, 13, 16, 33, 64, 67};
  for (const std::int64_t M : sizes)
    for (const std::int64_t N : sizes)
      for (const std::int64_t K : {std::int64_t{1}, std::int64_t{6}, std::int64_t{40}})
        for (int layout = 0; layout < 4; ++layout)
          for (const DType dtype : {kFloat32, kFloat64}) {
            const Tensor a = (layout & 1 ? randn({K, M}, generator, dtype).t()
                                         : randn({M, K}, generator, dtype));
            const Tensor b = (layout & 2 ? randn({N, K}, generator, dtype).t()
                                         : randn({K, N}, generator, dtype));
            const std::vector<double> got = matmul(a, b).to_vector(),
                                      expected = plain_product(a, b);
            for (std::size_t i = 0; i < got.size(); ++i)
              ASSERT_NEAR(got[i], expected[i], dtype == kFloat32 ? 2e-5 : 1e-12)
                  << M << " " << N << " " << K << " layout " << layout;
          }
}

TEST(Gemm, SumsNothingToZeroAndAddsTheBias) {
  EXPECT_EQ(matmul(zeros({3, 0}), zeros({0, 2})).to_vector(), std::vector<double>(6));
  const Tensor y = linear(zeros({2, 3}), ones({5, 3}), arange(0, 5, 1, kFloat32));
  EXPECT_EQ(y[1].to_vector(), (std::vector<double>{0, 1, 2, 3, 4}));
}

/// Compares elements of large products, whose operands are packed, with sums in long double.
template <class T>
void expect_large_products() {
  constexpr std::int64_t M = 50, K = 700, N = 2100;
  Generator generator(9);
  const DType dtype = dtype_of<T>;
  // K roundings of partial sums of about √K, half an ulp each, walk √K·√K/2; four times over
  const double most = 2.0 * K * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const bool a_turned : {false, true})
    for (const bool b_turned : {false, true}) {
      const Tensor a = a_turned ? randn({K, M}, generator, dtype).t()
                                : randn({M, K}, generator, dtype),
                   b = b_turned ? randn({N, K}, generator, dtype).t()
                                : randn({K, N}, generator, dtype);
      const std::vector<T> x = a.to_vector<T>(), y = b.to_vector<T>(),
                           c = matmul(a, b).template to_vector<T>();
      for (std::int64_t i = 0; i < M; i += 7)
        for (std::int64_t j = i % 5; j < N; j += 83) {
          long double sum = 0;
          for (std::int64_t k = 0; k < K; ++k)
            sum += static_cast<long double>(x[static_cast<std::size_t>(i * K + k)]) *
                   static_cast<long double>(y[static_cast<std::size_t>(k * N + j)]);
          EXPECT_NEAR(static_cast<double>(c[static_cast<std::size_t>(i * N + j)]),
                      static_cast<double>(sum), most)
              << i << ", " << j << (a_turned ? ", A transposed" : "")
              << (b_turned ? ", B transposed" : "");
        }
    }
}

TEST(Gemm, LargeProducts) {
  expect_large_products<float>();
  expect_large_products<double>();
}

TEST(Threads, GiveTheSameBitsWhateverTheirNumber) {
  Generator generator(6);
  const Tensor a = randn({300, 500}, generator), b = randn({500, 257}, generator),
               big = randn({1000, 700}, generator), wide = randn({700, 1100}, generator),
               cube = randn({40, 70, 90}, generator);
  const std::vector<std::function<Tensor()>> all{
      [&] { return matmul(a, b); },
      [&] { return matmul(big, wide); },
      [&] { return linear(a, b.t()); },
      [&] { return sum(big); },
      [&] { return sum(big, {0}); },
      [&] { return sum(big, {1}); },
      [&] {
        return sum(cube, {0, 2});
      },
      [&] { return exp(big); },
      [&] { return big * 2 + big.slice(0, 0, 1); },
      [&] { return softmax(big, 0); },
      [&] { return max(cube, {1}); },
      [&] { return big.t() + wide.slice(1, 0, 1000); },
      [&] { return cumsum(cube, 1); },
      [&] { return full({}, kernel::norm2(big), kFloat64); },
      [&] {
        Generator g(3);
        return randn({100001}, g);
      },
      [&] {
        Generator g(3);
        return rand({70001}, g, kFloat64);
      }};
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<std::vector<double>> results;
    for (const int n : {1, 2, 7}) {
      const testing::WithThreads threads(n);
      results.push_back(all[i]().to_vector());
    }
    EXPECT_EQ(results[0], results[1]) << "operator " << i;
    EXPECT_EQ(results[0], results[2]) << "operator " << i;
  }
}

TEST(Norm, IsRightWhereSquaresOverflowOrUnderflow) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double size : {1e300, 1e160, 1.0, 1e-160, 1e-300, 5e-324}) {
    const Tensor x = full({90000}, size, kFloat64);
    EXPECT_NEAR(kernel::norm2(x) / size / 300, 1, 1e-12) << size;
    kernel::Norm norm;
    norm.add(3 * size);
    norm.add(4 * size);
    EXPECT_NEAR(norm.value() / size, 5, 1e-14) << size;
    for (const double bad : {inf, -inf, std::nan("")}) {
      const double y = kernel::norm2(tensor({size, bad}, kFloat64));
      EXPECT_TRUE(std::isnan(bad) ? std::isnan(y) : y == inf) << size;
    }
  }
  EXPECT_EQ(kernel::norm2(zeros({3}, kFloat64)), 0);
  EXPECT_EQ(kernel::norm2(zeros({0}, kFloat64)), 0);
  EXPECT_EQ(kernel::Norm().value(), 0);
}

TEST(Sum, IsAccurateOverManyElements) {
  const Tensor x = full({3000000}, 0.1f);
  EXPECT_NEAR(sum(x).item(), 0.1f * 3e6, 0.5);
  EXPECT_NEAR(sum(full({1000000, 3}, 0.1f), {0})[1].item(), 0.1f * 1e6, 1);
}

TEST(Max, ReportsNaN) {
  const Tensor x = tensor({{1.0, NAN, 3.0}, {4.0, 5.0, 6.0}});
  EXPECT_TRUE(std::isnan(max(x, {1})[0].item()));
  EXPECT_EQ(max(x, {1})[1].item(), 6);
  EXPECT_EQ(argmax(x, 1)[0].item(), 1);
  EXPECT_TRUE(std::isnan(maximum(x[0], 0.0)[1].item()));
  EXPECT_TRUE(std::isnan(relu(x[0])[1].item()));
}

TEST(Simd, HasALevel) { EXPECT_FALSE(simd::to_string(simd::level()).empty()); }

TEST(Gemm, TakesExtentsOfOneInLargeProducts) {
  const Tensor a = ones({17500, 1}), b = ones({17500, 1});
  const Tensor c = matmul(a, b.t());
  EXPECT_EQ(min(c).item(), 1);
  EXPECT_EQ(max(c).item(), 1);
}

TEST(Product, KeepsANumberThatIsNoneInItsRow) {
  for (const std::int64_t n : {1, 3, 10, 15, 17, 40})
    for (const std::int64_t k : {5, 600, 1100}) {
      Tensor a = ones({40, k});
      a.data_ptr<float>()[11 * k + k - 1] = INFINITY;
      const Tensor c = matmul(a, ones({k, n}));
      for (std::int64_t r = 0; r < 40; ++r)
        EXPECT_EQ(std::isfinite(c[r][n - 1].item()) && std::isfinite(c[r][0].item()), r != 11)
            << n << " columns, depth " << k << ", row " << r;
    }
}

TEST(Product, OfAnySizesEqualsItsDefinition) {
  Generator g(8);
  for (const std::int64_t m : {1, 5, 7, 13, 29, 127})
    for (const std::int64_t n : {1, 2, 9, 16, 17, 33, 67, 131})
      for (const std::int64_t k : {1, 3, 31, 521}) {
        const Tensor a = randn({m, k}, g, kFloat64), b = randn({k, n}, g, kFloat64);
        const std::vector<double> x = a.to_vector(), y = b.to_vector();
        for (const bool turn_a : {false, true})
          for (const bool turn_b : {false, true}) {
            const Tensor left = turn_a ? a.t().contiguous().t() : a;
            const Tensor right = turn_b ? b.t().contiguous().t() : b;
            const std::vector<double> exact = matmul(left, right).to_vector();
            const std::vector<double> single =
                matmul(left.to(kFloat32), right.to(kFloat32)).to_vector();
            for (const std::int64_t at : {std::int64_t{0}, m * n / 2, m * n - 1}) {
              double sum = 0, size = 0;
              for (std::int64_t i = 0; i < k; ++i) {
                const double term = x[static_cast<std::size_t>(at / n * k + i)] *
                                    y[static_cast<std::size_t>(i * n + at % n)];
                sum += term;
                size += std::fabs(term);
              }
              EXPECT_NEAR(exact[static_cast<std::size_t>(at)], sum, 1e-15 * size * 30);
              EXPECT_NEAR(single[static_cast<std::size_t>(at)], sum, 1e-7 * size * 30);
            }
          }
      }
}

/// The largest |a − b|.
double distance(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); }

TEST(Lapack, EigenvectorsDiagonalise) {
  constexpr std::uint64_t kSeed = 21;
  Generator generator(kSeed);
  for (const std::int64_t n : {1, 2, 5, 40}) {
    const Tensor x = randn({n, n}, generator, kFloat64), a = x + x.t();
    const auto [values, vectors] = kernel::eigh(a);
    EXPECT_LE(distance(matmul(a, vectors), vectors * values), 1e-13 * static_cast<double>(n * n))
        << "seed " << kSeed;
    EXPECT_LE(distance(matmul(vectors.t(), vectors), eye(n, n, kFloat64)), 1e-13)
        << "seed " << kSeed;
    const std::vector<double> rising = values.to_vector();
    EXPECT_TRUE(std::is_sorted(rising.begin(), rising.end()));
  }
}

TEST(Lapack, OrthonormalColumnsSpanTheSame) {
  constexpr std::uint64_t kSeed = 22;
  Generator generator(kSeed);
  for (const std::int64_t n : {1, 2, 5, 40}) {
    const Tensor a = randn({n, n}, generator, kFloat64), q = kernel::orthonormal(a.t());
    EXPECT_LE(distance(matmul(q.t(), q), eye(n, n, kFloat64)), 1e-13) << "seed " << kSeed;
    // R is triangular: column k of aᵀ is a sum of the first k columns of Q.
    const std::vector<double> r = matmul(q.t(), a.t()).to_vector();
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j)
        EXPECT_NEAR(r[static_cast<std::size_t>(i * n + j)], 0, 1e-13 * static_cast<double>(n))
            << "seed " << kSeed;
  }
  const Tensor flat = kernel::orthonormal(zeros({3, 3}));  // of zeros: still orthonormal
  EXPECT_LE(distance(matmul(flat.t(), flat), eye(3)), 1e-6);
}

TEST(Lapack, WantsSquareMatrices) {
  for (const auto& make : {+[] {
                             kernel::eigh(zeros({2, 3}));
                           },
                           +[] {
                             kernel::orthonormal(zeros({2, 3}));
                           }})
    try {
      make();
      ADD_FAILURE() << "accepted a matrix that is not square";
    } catch (const ShapeError& e) {
      EXPECT_NE(std::string(e.what()).find("got (2, 3), expected a square matrix"),
                std::string::npos);
    }
}

}  // namespace
}  // namespace descent
