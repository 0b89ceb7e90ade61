// Rules of a user's own: what they may do, and the mistakes that are named.
#include "tests/support/errors.h"

#include <descent/core/simd/pack.h>
#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;

/// What every rule here shares.
struct Plain {
  Hyper lr = 0.01;
  static constexpr Card card{.name = "own", .title = "Own", .formula = "θ −= ηg"};
  static constexpr std::array<const char*, 0> slots{};
  static void fields(auto& r, auto&& f) { f("lr", r.lr, kNonNegative); }
};

/// Gradient descent of a length that is a share of the weights', with a memory that it measures.
template <bool kPacks>
struct Relative : Plain {
  static constexpr std::array slots{"memory"};
  static constexpr bool packs = kPacks;
  template <class T>
  void measure(Step, auto&& run) const {
    run(
        [](auto w, auto g, auto& memory) {
          memory = simd::fma(0.5f, memory, g);
          return std::array{w * w, memory * memory};
        },
        0);
  }
  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s) * std::sqrt(s.sums[0] / s.sums[1]));
    return [=](auto& w, auto g, auto memory) {
      w -= simd::ratio(eta * memory, simd::sqrt(g * g) + T(1));
    };
  }
};

TEST(OwnRule, GivesByPacksWhatItGivesByNumbers) {
  constexpr std::uint64_t kSeed = 31;
  for (const std::int64_t n : {1, 7, 16, 17, 63, 64, 1000, 5000}) {
    const auto run = [n](auto rule) {
      Generator generator(kSeed);
      const Tensor w = randn({n}, generator).requires_grad_();
      Optimizer o({{"w", w}}, rule);
      for (int t = 0; t < 5; ++t) {
        w.set_grad(randn({n}, generator));
        o.step();
      }
      return w.detach().to_vector();
    };
    const std::vector<double> packs = run(Relative<true>{}), numbers = run(Relative<false>{});
    for (std::size_t i = 0; i < packs.size(); ++i)
      ASSERT_NEAR(packs[i], numbers[i], 2e-6 * (1 + std::fabs(numbers[i])))
          << n << ", seed " << kSeed;
  }
}

/// How often, and for which slot, a rule calls run.
struct Calls : Plain {
  int times = 1, slot = 0;
  static constexpr std::array slots{"memory"};
  template <class T>
  void dispatch(Step, auto&& run) const {
    for (int i = 0; i < times; ++i) run([](T& w, T g, T& memory) { w -= memory = g; }, slot);
  }
};
struct HasNoSlots : Plain {
  template <class T>
  void dispatch(Step, auto&& run) const {
    run([](T& w, T g, T& memory) { w -= memory = g; }, 0);
  }
};
struct MeasuresNothing : Plain {
  template <class T>
  void measure(Step, auto&&) const {}
  template <class T>
  auto at(Step) const {
    return [](T& w, T g) { w -= g; };
  }
};

template <class Rule>
std::string message_of_step(Rule rule) {
  const Tensor w = ones({3}).requires_grad_();
  w.set_grad(ones({3}));
  Optimizer o({{"w", w}}, rule);
  const std::string text = message_of<ValueError>([&] { o.step(); });
  EXPECT_EQ(w.detach().to_vector(), std::vector<double>(3, 1.0)) << "nothing was changed";
  return text;
}

TEST(OwnRule, CallsRunOnceForSlotsThatItHas) {
  Calls rule;
  rule.times = 0;
  EXPECT_TRUE(has_text(message_of_step(rule),
                       "[own] got a dispatch() that did not call run, expected it to call "
                       "run(lambda, slot numbers…) once"));
  rule.times = 2;
  EXPECT_TRUE(has_text(message_of_step(rule), "got a dispatch() that called run more than once"));
  rule = {};
  rule.slot = 1;
  EXPECT_TRUE(
      has_text(message_of_step(rule), "got run(lambda, … 1 …), expected slot numbers in [0, 1)"));
  rule.slot = kCurvature;
  EXPECT_TRUE(has_text(message_of_step(rule), "kCurvature needs wants_curvature(step)"));
  EXPECT_TRUE(has_text(message_of_step(HasNoSlots{}),
                       "got run(lambda, … 0 …), expected no slot number: the rule has no slots"));
  EXPECT_TRUE(
      has_text(message_of_step(MeasuresNothing{}), "got a measure() that did not call run"));
}

/// Keeps where its first step led, and the gradient before.
struct Keeps : Plain {
  static constexpr std::array slots{"first", "last"};
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const {
    w -= g * lr(s);
    if (s.t == 1) kept[0] = w;
    kept[1] = g;
  }
};

TEST(OwnRule, KeepsATensorAsItIsWhenTheUpdateEnds) {
  const Tensor w = ones({3}).requires_grad_(), g = ones({3});
  w.set_grad(g);
  Optimizer o({{"w", w}}, Keeps{});
  o.step();
  o.step();
  g.fill_(7);
  const State state = o.state_dict();
  EXPECT_EQ(state.at("own/first/w").to_vector(), full({3}, 0.99).to_vector());
  EXPECT_EQ(state.at("own/last/w").to_vector(), std::vector<double>(3, 1.0));
}

/// Reads sums that nothing measures.
struct Unmeasured : Plain {
  template <class T>
  auto at(Step s) const {
    const T sum = T(s.sums[3]);
    return [=](T& w, T) { w = sum; };
  }
};

TEST(OwnRule, FindsNoNumberWhereNothingWasSummed) {
  const Tensor w = ones({3}).requires_grad_();
  w.set_grad(ones({3}));
  Optimizer({{"w", w}}, Unmeasured{}).step();
  EXPECT_TRUE(std::isnan(w.detach().to_vector()[0]));
}

// A member that cannot be called as it should is found by its name.
struct Measures : Plain {
  void measure(Step, auto&&) {}
};
static_assert(optim::detail::names_measure<Measures> && !optim::detail::names_measure<Plain>);
static_assert(optim::detail::names_dispatch<Calls> && optim::detail::names_update<Keeps>);

}  // namespace
}  // namespace descent
