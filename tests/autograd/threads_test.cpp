// Graphs on several threads that share their parameters.
#include <descent/descent.h>

#include <gtest/gtest.h>
#include <thread>

namespace descent {
namespace {

/// Two layers of weights that all threads share.
struct Shared {
  Tensor a, b;
  Shared() {
    Generator generator(21);
    a = randn({16, 16}, generator, kFloat64).requires_grad_();
    b = randn({16}, generator, kFloat64).requires_grad_();
  }
  Tensor loss(double scale) const {
    const Tensor x = tanh(matmul(a, b) * scale);
    return sum(matmul(a, x) * b) + sum(a * a) * scale;  // a and b are used several times
  }
};

template <class F>
void on_threads(int count, F f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(f, i);
  for (std::thread& t : threads) t.join();
}

TEST(Threads, GradientsOfSharedParametersAreThoseOfASerialRun) {
  const Shared shared;
  constexpr int kThreads = 4;
  std::vector<std::vector<double>> expected(kThreads);
  for (int i = 0; i < kThreads; ++i)
    expected[static_cast<std::size_t>(i)] =
        grad({shared.loss(1 + i)}, {shared.a, shared.b})[0].to_vector();
  std::atomic<int> wrong = 0;
  on_threads(kThreads, [&](int i) {
    for (int n = 0; n < 300; ++n) {
      const std::vector<Tensor> g = grad({shared.loss(1 + i)}, {shared.a, shared.b});
      wrong += g[0].to_vector() != expected[static_cast<std::size_t>(i)];
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_FALSE(shared.a.grad().defined());
  // Second derivatives go through graphs that the threads make for themselves.
  on_threads(kThreads, [&](int i) {
    for (int n = 0; n < 50; ++n) {
      const Tensor g = grad({shared.loss(1 + i)}, {shared.b}, {}, {.create_graph = true})[0];
      wrong += !grad({sum(square(g))}, {shared.a})[0].defined();
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, CollectIntoOneGradientWithoutLosingAny) {
  const Shared shared;
  constexpr int kThreads = 4, kTimes = 200;
  std::vector<double> expected(256, 0.0);
  for (int i = 0; i < kThreads; ++i) {
    const std::vector<double> g = grad({shared.loss(1 + i)}, {shared.a})[0].to_vector();
    for (std::size_t k = 0; k < expected.size(); ++k) expected[k] += kTimes * g[k];
  }
  on_threads(kThreads, [&](int i) {
    for (int n = 0; n < kTimes; ++n) shared.loss(1 + i).backward();
  });
  const std::vector<double> got = shared.a.grad().to_vector();
  for (std::size_t k = 0; k < expected.size(); ++k)
    EXPECT_NEAR(got[k], expected[k], 1e-9 * (1 + std::fabs(expected[k])));
}

TEST(Threads, OneSerialRunAfterAnErrorOnAnotherThreadIsWhole) {
  const Shared shared;
  shared.a.register_hook([first = std::make_shared<std::atomic<bool>>(true)](const Tensor& g) {
    if (first->exchange(false)) throw ValueError("a hook");
    return g;
  });
  on_threads(1, [&](int) { EXPECT_THROW(shared.loss(1).backward(), ValueError); });
  shared.loss(1).backward();
  EXPECT_TRUE(shared.a.grad().defined());
  EXPECT_TRUE(shared.b.grad().defined());
}

}  // namespace
}  // namespace descent
