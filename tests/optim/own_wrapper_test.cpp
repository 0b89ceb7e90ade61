// Wrappers of a user's own: what they may do, and the mistakes that are named.
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

/// What every wrapper here shares.
struct Plain {
  static constexpr Card card{.name = "own"};
  static constexpr Role role = Role::changes_gradients;
  static void fields(auto&, auto&&) {}
};

struct Scales : Plain {
  double by = 1, most = kInfinity;
  void apply(Update& u) {
    for (std::size_t i = 0; i < u.size(); ++i) {
      u.limit_gradient(i, most);
      u.scale_gradient(i, by);
    }
    u.inner();
  }
};

/// Where a step of rate 1 leads from 0, with the gradients 3 and −0.5.
std::vector<double> step_of(Scales scales, DType dtype) {
  const Tensor w = zeros({1, 2}, dtype).requires_grad_();
  Optimizer o = wrap({{{"w", w}}, SGD{.lr = 1}}, scales);
  w.set_grad(tensor({{3.0, -0.5}}, dtype));
  o.step();
  return w.detach().to_vector();
}

TEST(OwnWrapper, MayTurnAGradientRound) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    Scales scales;
    scales.by = -1;
    EXPECT_EQ(step_of(scales, dtype), std::vector<double>({3, -0.5}));
    scales.most = 1;  // first limited, then turned round
    EXPECT_EQ(step_of(scales, dtype), std::vector<double>({1, -0.5}));
    scales.by = 0;
    EXPECT_EQ(step_of(scales, dtype), std::vector<double>({0, 0}));
    scales.by = NAN;
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { step_of(scales, dtype); }),
                         "[scale_gradient] got nan, expected a finite number"));
    scales.most = -1;
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { step_of(scales, dtype); }),
                         "[limit_gradient] got -1, expected 0 or more"));
  }
}

struct Steps : Plain {
  static constexpr Role role = Role::neither;
  int times = 1;
  bool evaluates = true;
  double evaluate(Evaluation& e) { return evaluates ? e.inner() : 0.0; }
  void apply(Update& u) {
    const std::int64_t before = u.step();
    for (int i = 0; i < times; ++i) u.inner();
    EXPECT_EQ(u.step(), before) << "the step under way has one number";
  }
};

TEST(OwnWrapper, StepsAtMostOnceAndEvaluates) {
  for (const char* rule : {"sgd", "lbfgs(max_iter=1)"}) {
    const Problem p;
    Steps twice;
    twice.times = 2;
    Optimizer o = wrap(make(rule, p.parameters()), twice);
    EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }),
                         "[inner] got a second call in one step"));
    Steps blind;
    blind.evaluates = false;
    Optimizer b = wrap(make(rule, p.parameters()), blind);
    EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(b); }),
                         "[own] got an evaluate() that did not call inner()"));
  }
}

struct ScalesUnseen : Scales {
  static constexpr Role role = Role::neither;
};

TEST(OwnWrapper, ThatChangesGradientsHasTheirRoleAroundALineSearch) {
  const Problem p;
  ScalesUnseen scales;
  scales.by = 0.5;
  Optimizer o = wrap(make("lbfgs(max_iter=1)", p.parameters()), scales);
  const std::vector<double> before = p.values().to_vector();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }),
                       "[lbfgs] got a gradient of 'a' that a wrapper has changed"));
  EXPECT_EQ(p.values().to_vector(), before);
}

struct Climbs : Plain {
  static constexpr Role role = Role::climbs;
  void apply(Update& u) { u.inner(); }
};

TEST(OwnWrapper, ThatClimbsGoesAroundNoOtherThatClimbs) {
  const Problem p;
  const char* reason = "would disturb each other";
  for (const bool outside : {true, false})
    EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                           Optimizer sgd = make("sgd", p.parameters());
                           if (outside)
                             wrap(sam(std::move(sgd)), Climbs{});
                           else
                             sam(wrap(std::move(sgd), Climbs{}));
                         }),
                         reason));
}

struct Idle : Plain {
  void apply(Update&) {}
};
struct Looks : Plain {
  void apply(Update& u) {
    u.refused();
    u.inner();
  }
};

TEST(OwnWrapper, ThatMakesNoStepCountsAsNone) {
  const Problem p;
  Optimizer idle = swa(wrap(make("sgd", p.parameters()), Idle{}));
  p.step(idle);
  EXPECT_FALSE(idle.has_average());
  EXPECT_EQ(idle.steps(), 0);
  Optimizer looks = swa(wrap(make("skip_non_finite(sgd)", p.parameters()), Looks{}));
  looks.step([&] {
    p.a.set_grad(full({2, 3}, NAN, kFloat64));
    return 0.0;
  });
  EXPECT_EQ(looks.steps(), 1);
  EXPECT_EQ(looks.skipped_steps(), 1);
  EXPECT_FALSE(looks.has_average());
}

struct SameName : Plain {
  Hyper a = 1, b = 2;
  static void fields(auto& o, auto&& f) {
    f("a", o.a, kNonNegative);
    f("a", o.b, kNonNegative);
  }
  void apply(Update& u) { u.inner(); }
};

TEST(Optimizer, NamesAMissingSettingAndAParameterWithoutATensor) {
  const Problem p;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { make("clip_norm(sgd)", p.parameters()); }),
                       "[clip_norm] got no finite max_norm, expected a number in (0, inf)"));
  EXPECT_TRUE(has_text(message_of<GraphError>([] {
                         Optimizer({{"w", Tensor()}}, SGD{});
                       }),
                       "[sgd] got parameter 'w' without a tensor, expected a leaf"));
}

TEST(OwnWrapper, ListsEachSettingOnce) {
  const Problem p;
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { wrap(make("sgd", p.parameters()), SameName{}); }),
               "[own] got two settings of the name a"));
}

TEST(Sam, ClimbsToASmallerLossWhereTheRuleMaximises) {
  // Minimising f and maximising −f are one and the same.
  const auto end = [](bool maximize, const Sam& sam_options) {
    const Tensor w = tensor({0.5, -1.0}, kFloat64).requires_grad_();
    Optimizer o = sam({{{"w", w}}, SGD{.lr = 0.1, .maximize = maximize}}, sam_options);
    for (int t = 0; t < 5; ++t)
      o.step([&] {
        const Tensor loss = sum(square(square(w))) * (maximize ? -1 : 1);
        loss.backward();
        return loss;
      });
    return w.detach().to_vector();
  };
  EXPECT_EQ(end(true, {.rho = 0.3}), end(false, {.rho = 0.3}));
  EXPECT_EQ(end(true, {.adaptive = true}), end(false, {.adaptive = true}));
}

struct NoWord : Climbs {
  static constexpr Card card{.name = "my wrapper(1)"};
};

TEST(Registry, TakesNamesThatTextCanHave) {
  EXPECT_TRUE(has_text(message_of<ValueError>([] { register_optimizer<NoWord>(); }),
                       "got the name 'my wrapper(1)', expected letters, digits and underscores"));
}

TEST(Registry, ExplainsACardThatHasANameAlone) {
  // Without the registry, which other tests go through.
  EXPECT_EQ(explain(optim::detail::entry("own", Climbs{}, {})),
            "own\n\n  in C++     optim::wrap(optimizer, Climbs{})\n  state      0 numbers per "
            "parameter (0 bytes in float32)\n"
            "  gradients  1 evaluation a step\n");
}

struct Averages {
  static constexpr Card card{.name = "averages"};
  static constexpr Role role = Role::averages;
  static void fields(auto&, auto&&) {}
  void apply(Update& u) {
    if (u.inner()) average = {u.weight(0).clone()};  // of the first parameter alone
  }
  std::vector<Tensor> average = {};
};

TEST(OwnWrapper, WithAnAverageThatDoesNotFitChangesNoWeight) {
  const Problem p;
  Optimizer o = wrap(make("sgd", p.parameters()), Averages{});
  p.step(o);
  const std::vector<double> before = p.values().to_vector();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.swap_average(); }),
                       "[averages] got an average of 1 tensors, expected one for each of the 2"));
  EXPECT_EQ(p.values().to_vector(), before);
}

TEST(Average, ComesBackAlsoWhenTheOptimizerIsWrappedMeanwhile) {
  const Problem p;
  Optimizer inner = ema(make("sgd", p.parameters()), 0.5);
  for (int t = 0; t < 3; ++t) p.step(inner);
  const std::vector<double> training = p.values().to_vector();
  inner.swap_average();
  Optimizer outer = ema(std::move(inner), 0.9);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { AverageGuard guard(outer); }),
                       "exchanged for their average already"));
  outer.swap_average();
  EXPECT_EQ(p.values().to_vector(), training);
  p.step(outer);
}

TEST(State, SavedAfterASettingTookASlotIntoUseLoads) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.lr = 0.1});
  for (int t = 0; t < 3; ++t) p.step(o);
  o.set("momentum", 0.9);
  EXPECT_NO_THROW(o.load_state_dict(o.state_dict()));
}

struct SameNames : Plain {
  void apply(Update& u) { u.inner(); }
  Hyper mu = 0.5;
  std::int64_t count = 3;
  static void fields(auto& o, auto&& f) { f("mu", o.mu, kNonNegative); }
  void state(auto& visit) { visit("mu", count); }
};

TEST(State, WithTwoValuesOfOneNameIsNotSaved) {
  const Problem p;
  const Optimizer o = wrap(make("sgd", p.parameters()), SameNames{});
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.state_dict(); }),
                       "got two values of the name 'own/mu'"));
}

TEST(State, OfCountsThatAreNoneIsRefused) {
  const Problem p;
  Optimizer o = make("swa(adamw)", p.parameters());
  for (int t = 0; t < 3; ++t) p.step(o);
  for (const char* key : {"optimizer/steps", "adamw/step/a", "swa/count"})
    for (const std::int64_t bad : {std::int64_t{-5}, std::numeric_limits<std::int64_t>::max()}) {
      State state = o.state_dict();
      state[key] = full({}, bad, kInt64);
      EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict(state); }),
                           "expected a count of 0 or more"));
    }
  State half = o.state_dict();
  half["group/0/maximize"] = full({}, 0.5, kFloat64);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.load_state_dict(half); }),
                       "got maximize = 0.5 from a state, expected 0 or 1"));
  const Problem q;
  Optimizer search = make("lbfgs", q.parameters());
  for (int t = 0; t < 2; ++t) q.step(search);
  State state = search.state_dict();
  state.erase("lbfgs/search/y");
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { search.load_state_dict(state); }), "lbfgs/search/s"));
  q.step(search);
}

/// Sums of squared gradients that all parameters of such rules share.
template <int kKind>
struct Shares {
  static constexpr Card card{.name = "shares"};
  static constexpr std::array<const char*, 0> slot_names{};
  static constexpr bool shares_sums = true;
  static void fields(auto&, auto&&) {}
  template <class T>
  void measure(Step, auto&& run) const {
    run([](auto, auto g) { return std::array{g * g}; });
  }
  template <class T>
  auto at(Step s) const {
    const T sum = T(s.sums[0]);
    return [=](auto& w, auto) { w = sum; };
  }
};

TEST(OwnRule, SharesItsSumsWithRulesOfItsTypeAlone) {
  const auto one = [] { return ones({1}, kFloat64).requires_grad_(); };
  const Tensor a = one(), b = one(), c = one();
  Optimizer o({{"a", a}}, Shares<1>{});
  o.add_group({{"b", b}}, Shares<2>{});
  o.add_group({{"c", c}}, Shares<1>{});
  a.set_grad(full({1}, 1, kFloat64));
  b.set_grad(full({1}, 2, kFloat64));
  c.set_grad(full({1}, 3, kFloat64));
  o.step();
  EXPECT_EQ(a.item(), 10);
  EXPECT_EQ(b.item(), 4);
  EXPECT_EQ(c.item(), 10);
}

}  // namespace
}  // namespace descent
