#include "tests/support/errors.h"

#include <descent/descent.h>
#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

namespace descent {
namespace {

TEST(Philox, GivesTheKnownAnswers) {  // Random123's kat_vectors, philox4x32 10
  EXPECT_EQ(Generator(0).block(0),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint64_t all = ~std::uint64_t{0};
  EXPECT_EQ(Generator(all, all).block(all),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: the digits of π.
  const Generator pi(0x299f31d0a4093822, 0x0370734413198a2e);
  EXPECT_EQ(pi.block(0x85a308d3243f6a88),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, PortableFunctionsAgreeWithTheLibrary) {
  for (int i = 1; i <= 1000; ++i) {
    const double u = i / 1000.0;
    EXPECT_NEAR(detail::portable_log(u), std::log(u), 1e-15 * (1 + std::fabs(std::log(u))));
    double s, c;
    detail::portable_sincos_turn(u - 0.001, s, c);
    EXPECT_NEAR(s, std::sin(6.283185307179586 * (u - 0.001)), 1e-14);
    EXPECT_NEAR(c, std::cos(6.283185307179586 * (u - 0.001)), 1e-14);
  }
}

TEST(Random, HasTheRightMoments) {
  Generator g(1);
  const int n = 400000;
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor z = randn({n}, g, dtype).to(kFloat64), u = rand({n}, g, dtype).to(kFloat64);
    // Each tolerance is five standard errors of the estimate.
    EXPECT_NEAR(mean(z).item(), 0, 5 / std::sqrt(n));
    EXPECT_NEAR(mean(square(z)).item(), 1, 5 * std::sqrt(2.0 / n));
    EXPECT_NEAR(mean(square(square(z))).item(), 3, 5 * std::sqrt(96.0 / n));
    EXPECT_NEAR(mean(u).item(), 0.5, 5 * std::sqrt(1.0 / 12 / n));
    EXPECT_GE(min(u).item(), 0);
    EXPECT_LT(max(u).item(), 1);
  }
  EXPECT_NEAR(mean(bernoulli({n}, 0.3, g)).item(), 0.3, 5 * std::sqrt(0.21 / n));
  const Tensor k = randint(-2, 3, {n}, g);
  EXPECT_EQ(min(k).item(), -2);
  EXPECT_EQ(max(k).item(), 2);
}

TEST(Random, PermutesEvenly) {
  Generator g(2);
  std::vector<int> first(5);
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::int64_t> p = randperm(5, g).to_vector<std::int64_t>();
    ++first[static_cast<std::size_t>(p[0])];
    std::sort(p.begin(), p.end());
    ASSERT_EQ(p, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  }
  for (const int count : first) EXPECT_NEAR(count, 1000, 150);
}

TEST(Random, RepeatsFromASeedAndDiffersBetweenStreams) {
  manual_seed(4);
  const std::vector<double> numbers = randn({2, 3}, kFloat64).to_vector();
  manual_seed(4);
  const Tensor like = randn_like(zeros({3, 2}, kFloat64).t());
  EXPECT_EQ(like.shape(), (Shape{2, 3}));
  EXPECT_EQ(like.to_vector(), numbers);
  EXPECT_LT(max(rand_like(like)).item(), 1);
  manual_seed(5);
  const std::vector<double> a = randn({9}).to_vector(), b = randn({9}).to_vector();
  manual_seed(5);
  EXPECT_EQ(randn({9}).to_vector(), a);
  const Generator::State state = default_generator().state();
  EXPECT_EQ(randn({9}).to_vector(), b);
  default_generator().set_state(state);
  EXPECT_EQ(randn({9}).to_vector(), b);
  Generator one(5, 1), two(5, 2);
  EXPECT_NE(randn({9}, one).to_vector(), randn({9}, two).to_vector());
}

/// What a new thread draws.
std::vector<double> drawn_on_a_thread(std::optional<std::uint64_t> seed = {}) {
  std::vector<double> drawn;
  std::thread([&] {
    if (seed) manual_seed(*seed);
    drawn = randn({4}).to_vector();
  }).join();
  return drawn;
}

TEST(Random, ThreadsDrawDifferentNumbersThatDeriveFromTheSeed) {
  manual_seed(7);
  const std::vector<double> main = randn({4}).to_vector(), first = drawn_on_a_thread(),
                            second = drawn_on_a_thread();
  EXPECT_NE(first, main);
  EXPECT_NE(first, second);
  manual_seed(7);
  EXPECT_EQ(drawn_on_a_thread(), first);
  EXPECT_EQ(drawn_on_a_thread(), second);
  EXPECT_EQ(randn({4}).to_vector(), main);
  Generator derived(7, (std::uint64_t{1} << 63) + 1);
  EXPECT_EQ(randn({4}, derived).to_vector(), first) << "as random.h says";
  manual_seed(8);
  EXPECT_NE(drawn_on_a_thread(), first);
  // A thread with a seed of its own draws the same whenever and wherever.
  EXPECT_EQ(drawn_on_a_thread(7), main);
}

TEST(Random, AThreadThatLivesOnFollowsANewSeed) {
  std::vector<std::vector<double>> drawn;
  std::atomic<int> turn = 0;
  std::thread other([&] {
    for (int t : {1, 3, 5}) {
      while (turn != t) std::this_thread::yield();
      drawn.push_back(randn({2}).to_vector());
      ++turn;
    }
  });
  for (const int t : {0, 2, 4}) {
    manual_seed(t == 2 ? 5 : 4);
    turn = t + 1;
    while (turn != t + 2) std::this_thread::yield();
  }
  other.join();
  EXPECT_EQ(drawn[0], drawn[2]);
  EXPECT_NE(drawn[0], drawn[1]);
  manual_seed(0);
}

}  // namespace
}  // namespace descent
