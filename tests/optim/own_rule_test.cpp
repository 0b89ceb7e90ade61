// Rules that a user writes: what such a rule may do, and the errors for the mistakes of its author.
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <descent/optim/engine/search_rule.h>
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
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) { f("lr", r.lr, kNonNegative); }
};

/// A rule whose step is a share of the norm of the weights. It measures the norms of the weights
/// and of its slot `memory`.
struct Relative : Plain {
  static constexpr std::array slot_names{"memory"};
  template <class T>
  void measure(Step, auto&& run) const {
    run([](auto w, auto g, auto& memory) {
      memory = fma(0.5, memory, g);
      return std::array{w * w, memory * memory};
    });
  }
  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s) * std::sqrt(s.sums[0] / s.sums[1]));
    return [=](auto& w, auto g, auto memory) { w -= ratio(eta * memory, sqrt(g * g) + 1); };
  }
};

TEST(OwnRule, GivesWhatItsFormulaSaysAtEveryLength) {
  constexpr std::uint64_t kSeed = 31;
  for (const std::int64_t n : {1, 7, 16, 17, 63, 64, 1000, 5000})
    for (const DType dtype : {kFloat32, kFloat64}) {
      Generator generator(kSeed);
      const Tensor w = randn({n}, generator, kFloat64).to(dtype).detach().requires_grad_();
      std::vector<double> x = w.detach().to_vector(), memory(x.size());
      Optimizer o({{"w", w}}, Relative{});
      for (int t = 0; t < 5; ++t) {
        const Tensor g = randn({n}, generator, kFloat64);
        w.set_grad(g.to(dtype));
        o.step();
        const std::vector<double> gradient = g.to(dtype).to_vector();
        double weights = 0, memories = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          memory[i] = 0.5 * memory[i] + gradient[i];
          weights += x[i] * x[i];
          memories += memory[i] * memory[i];
        }
        const double eta = 0.01 * std::sqrt(weights / memories);
        for (std::size_t i = 0; i < x.size(); ++i)
          x[i] -= eta * memory[i] / (std::fabs(gradient[i]) + 1);
      }
      const std::vector<double> got = w.detach().to_vector();
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(got[i], x[i], (dtype == kFloat32 ? 2e-6 : 1e-14) * (1 + std::fabs(x[i])))
            << n << ", seed " << kSeed;
    }
}

/// How often a rule calls run, and for which slot.
struct Calls : Plain {
  int times = 1;
  const char* slot = "memory";
  static constexpr std::array slot_names{"memory"};
  template <class T>
  void dispatch(Step, auto&& run) const {
    for (int i = 0; i < times; ++i) run([](auto& w, auto g, auto& m) { w -= m = g; }, slot);
  }
};
struct NamesASlotTwice : Plain {
  static constexpr std::array slot_names{"first", "second"};
  template <class T>
  void dispatch(Step, auto&& run) const {
    run([](auto& w, auto g, auto& a, auto& b) { w -= a = b = g; }, "first", "first");
  }
};
struct HasNoSlots : Plain {
  template <class T>
  void dispatch(Step, auto&& run) const {
    run([](auto& w, auto g, auto& memory) { w -= memory = g; });
  }
};
struct MeasuresNothing : Plain {
  template <class T>
  void measure(Step, auto&&) const {}
  template <class T>
  auto at(Step) const {
    return [](auto& w, auto g) { w -= g; };
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
                       "run(formula, names of slots…) once"));
  rule.times = 2;
  EXPECT_TRUE(has_text(message_of_step(rule), "got a dispatch() that called run more than once"));
  rule = {};
  rule.slot = "memry";
  EXPECT_TRUE(has_text(message_of_step(rule),
                       "got run(formula, … \"memry\" …), expected names of slots: memory"));
  EXPECT_TRUE(has_text(message_of_step(NamesASlotTwice{}),
                       "got run(formula, … \"first\" …), expected names of slots: first, second"));
  EXPECT_TRUE(has_text(message_of_step(HasNoSlots{}),
                       "got a formula that takes 1 slots, expected at most 0"));
  EXPECT_TRUE(
      has_text(message_of_step(MeasuresNothing{}), "got a measure() that did not call run"));
}

/// A rule may be final.
struct Final final {
  Hyper lr = 0.5;
  static constexpr Card card{.name = "final"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) { f("lr", r.lr, kNonNegative); }
  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s));
    return [=](auto& w, auto g) { w -= eta * g; };
  }
};

struct FinalTensor final {
  static constexpr Card card{.name = "final_tensor"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto&, auto&&) {}
  void update(Step, const Tensor& w, const Tensor& g, std::span<Tensor>) const { w -= g * 0.5; }
};

TEST(OwnRule, MayBeFinal) {
  const Tensor w = ones({3}).requires_grad_();
  w.set_grad(ones({3}));
  Optimizer({{"w", w}}, Final{}).step();
  EXPECT_EQ(w.detach().to_vector(), std::vector<double>(3, 0.5));
  Optimizer({{"w", w}}, FinalTensor{}).step();
  EXPECT_EQ(w.detach().to_vector(), std::vector<double>(3, 0));
}

/// Keeps the weights after its first step, and the latest gradient.
struct Keeps : Plain {
  static constexpr std::array slot_names{"first", "last"};
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

/// A search that moves to n weights, by the evaluation or by its result.
struct Search5 {
  bool evaluates = false;
  struct Memory {
    void state(StateVisitor&, std::int64_t) {}
  };
  static constexpr Card card{.name = "search5"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto&, auto&&) {}
  void minimize(Search& s, Memory&) const {
    s.x.mul_(0.5);
    if (evaluates)
      s.evaluate(ones({5}, kFloat64));
    else
      s.x = ones({5}, kFloat64);
  }
};

TEST(OwnRule, ThatSearchesMovesToAsManyWeightsAsThereAre) {
  for (const bool evaluates : {true, false}) {
    const Tensor w = full({3}, 2.0).requires_grad_();
    Optimizer o({{"w", w}}, Search5{evaluates});
    const std::string text = message_of<ShapeError>([&] {
      o.step([&] {
        const Tensor loss = sum(square(w));
        loss.backward();
        return loss;
      });
    });
    EXPECT_TRUE(has_text(text, "[search5] got a point of float64(5,), expected float64(3,)"));
    EXPECT_EQ(w.detach().to_vector(), std::vector<double>(3, 2.0)) << "nothing was changed";
  }
}

/// A rule that reads sums, but has no measure().
struct Unmeasured : Plain {
  template <class T>
  auto at(Step s) const {
    const T sum = T(s.sums[3]);
    return [=](auto& w, auto) { w = sum; };
  }
};

TEST(OwnRule, FindsNoNumberWhereNothingWasSummed) {
  const Tensor w = ones({3}).requires_grad_();
  w.set_grad(ones({3}));
  Optimizer({{"w", w}}, Unmeasured{}).step();
  EXPECT_TRUE(std::isnan(w.detach().to_vector()[0]));
}

// A member with the right name and the wrong signature is still found by its name.
struct Measures : Plain {
  void measure(Step, auto&&) {}
};
static_assert(optim::detail::names_measure<Measures> && !optim::detail::names_measure<Plain>);
static_assert(optim::detail::names_dispatch<Calls> && optim::detail::names_update<Keeps>);

}  // namespace
}  // namespace descent
