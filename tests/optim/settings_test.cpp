// Groups, settings and state of optimizers: how an optimizer keeps all three consistent, and what
// it refuses.
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

TEST(Groups, OfSubmodulesAndPlainTensorsNeedNoNamesByHand) {
  nn::Linear a(2, 2), b(2, 2);
  Optimizer o(a.parameters(), SGD{.lr = 0.1});
  o.add_group(b.parameters(), SGD{.lr = 0.01});
  EXPECT_EQ(o.parameters()[2].name, "group1.weight");
  const Tensor x = ones({1}).requires_grad_(), y = ones({1}).requires_grad_();
  Optimizer plain(std::vector<Tensor>{x}, SGD{});
  plain.add_group(std::vector<Tensor>{y}, SGD{});
  EXPECT_EQ(plain.groups(), 2);
}

TEST(Groups, LeaveFrozenParametersAlone) {
  nn::Sequential model(nn::Linear(2, 3), nn::Linear(3, 1));
  const Tensor frozen = model.parameters()[0].value;
  frozen.requires_grad_(false);
  const std::vector<double> before = frozen.to_vector();
  Optimizer o(model.parameters(), AdamW{.lr = 0.1});
  model.zero_grad();
  o.step([&] {
    const Tensor l = sum(square(model(ones({4, 2}))));
    l.backward();
    return l;
  });
  EXPECT_EQ(frozen.to_vector(), before);
  const Tensor w = ones({1});
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { Optimizer(std::vector<Tensor>{w}, SGD{}); }),
                       "none of which requires a gradient"));
}

/// An optimizer of one weight, and a step of it.
struct Single {
  Tensor w = ones({1}).requires_grad_();
  Optimizer optimizer;
  explicit Single(const std::string& text) : optimizer(make(text, {{"w", w}})) {}
  void step(double g = 1) {
    w.set_grad(full({1}, g));
    optimizer.step();
  }
};

TEST(Plateau, LowersForANegativeMetricThatStandsStill) {
  for (const bool maximize : {false, true}) {
    Single s("sgd(lr=1)");
    ReduceOnPlateau plateau(s.optimizer, {.factor = 0.5, .patience = 0, .maximize = maximize});
    plateau.step(-10);
    EXPECT_TRUE(plateau.step(-10)) << maximize;
    EXPECT_EQ(s.optimizer.get("lr"), 0.5);
    EXPECT_FALSE(plateau.step(maximize ? -9 : -11));
  }
}

TEST(Plateau, LowersAScheduleThatGoesOn) {
  Single s("sgd(lr=warmup(4, cosine(1, 100)))");
  ReduceOnPlateau plateau(s.optimizer, {.factor = 0.5, .patience = 0});
  plateau.step(1);
  s.step();
  EXPECT_TRUE(plateau.step(1));
  EXPECT_EQ(s.optimizer.to_string(),
            make("sgd(lr=scaled(0.5, warmup(4, cosine(1, 100))))", {{"w", s.w}}).to_string());
  EXPECT_DOUBLE_EQ(s.optimizer.get("lr"), 0.25);  // half of 2/4
  s.step(), s.step();
  EXPECT_DOUBLE_EQ(s.optimizer.get("lr"), 0.5);
  // A state keeps what was lowered, for an optimizer with the same schedule.
  const State state = s.optimizer.state_dict();
  Single other("sgd(lr=warmup(4, cosine(1, 100)))");
  other.optimizer.load_state_dict(state);
  EXPECT_DOUBLE_EQ(other.optimizer.get("lr"), 0.5);
  Single same(s.optimizer.to_string());
  same.optimizer.load_state_dict(state);
  EXPECT_DOUBLE_EQ(same.optimizer.get("lr"), 0.5);
  // A state without it puts the whole schedule back.
  Single fresh("sgd(lr=warmup(4, cosine(1, 100)))");
  same.optimizer.load_state_dict(fresh.optimizer.state_dict());
  EXPECT_DOUBLE_EQ(same.optimizer.get("lr"), 0.25);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { Single("sgd(lr=scaled(0.1, 0.5))"); }),
                       "expected scaled(factor, schedule)"));
}

TEST(Plateau, MakesNoChangeBelowEps) {
  Single small("sgd(lr=1e-9)"), tiny("sgd(lr=1e-9)");
  ReduceOnPlateau usual(small.optimizer, {.patience = 0}),
      any(tiny.optimizer, {.patience = 0, .eps = 0});
  for (int i = 0; i < 2; ++i) usual.step(1), any.step(1);
  EXPECT_EQ(small.optimizer.get("lr"), 1e-9);
  EXPECT_DOUBLE_EQ(tiny.optimizer.get("lr"), 1e-10);
}

TEST(State, KeepsARateThatWasLoweredByHand) {
  Single s("clip_norm(sgd(lr=1), 2)");
  s.optimizer.set("lr", 0.01);
  s.optimizer.set("max_norm", 0.5);
  for (const char* text : {"clip_norm(sgd(lr=1), 2)", "clip_norm(sgd(lr=cosine(1, 100)), 2)",
                           "clip_norm(sgd(lr=1), ramp(2, 1, 10))"}) {
    Single other(text);
    other.optimizer.load_state_dict(s.optimizer.state_dict());
    EXPECT_EQ(other.optimizer.get("lr"), 0.01) << text;
    EXPECT_EQ(other.optimizer.get("max_norm"), 0.5) << text;
  }
}

TEST(State, OfAnotherRuleSaysWhose) {
  Single adam("ema(adam, 0.9)"), rmsprop("rmsprop");
  adam.step();
  EXPECT_TRUE(has_text(message_of<StateError>(
                           [&] { rmsprop.optimizer.load_state_dict(adam.optimizer.state_dict()); }),
                       "(this state was saved by adam, ema)"));
}

TEST(State, KeepsTheScaleOfAScheduleToTheBit) {
  Single saved("sgd(lr=scaled(0.3, cosine(1, 100)))"), other("sgd(lr=scaled(0.7, cosine(1, 100)))");
  other.optimizer.load_state_dict(saved.optimizer.state_dict());
  EXPECT_EQ(other.optimizer.to_string(), saved.optimizer.to_string());
  State wrong = saved.optimizer.state_dict();
  wrong["group/0/lr/scale"] = full({}, NAN, kFloat64);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { other.optimizer.load_state_dict(wrong); }),
                       "group/0/lr/scale: got nan, expected a number"));
}

TEST(Step, WarnsOfAParameterWithoutAGradientOnce) {
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level, std::string_view text) { heard.emplace_back(text); });
  const Tensor a = ones({1}).requires_grad_(), b = ones({1}).requires_grad_();
  Optimizer o = make("sgd", {{"a", a}, {"b", b}});
  for (int i = 0; i < 2; ++i) {
    a.set_grad(ones({1}));
    o.step();
  }
  logging::set_sink({});
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(has_text(heard[0], "parameter 'b' has no gradient. Hint: freeze it"));
}

TEST(Plateau, TakesInfinityAsTheWorstAndRefusesANegativeEps) {
  Single s("sgd(lr=1)");
  ReduceOnPlateau plateau(s.optimizer, {.factor = 0.5, .patience = 0});
  EXPECT_TRUE(plateau.step(INFINITY));
  EXPECT_FALSE(plateau.step(-INFINITY));
  EXPECT_TRUE(plateau.step(0));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { const ReduceOnPlateau p(s.optimizer, {.eps = -1}); }),
               "eps = -1, expected none below 0"));
}

TEST(Accumulate, CountsNoStepForARefusedMicroBatch) {
  Single s("accumulate(skip_non_finite(sgd(lr=ramp(1, 0, 10))), 2)");
  s.step(1);
  s.step(NAN);
  EXPECT_EQ(s.optimizer.steps(), 0);
  EXPECT_EQ(s.optimizer.skipped_steps(), 1);
  EXPECT_EQ(s.optimizer.get("lr"), 1);
  s.step(3);
  EXPECT_EQ(s.optimizer.steps(), 1);
  EXPECT_EQ(s.w.item(), 1 - 2.0);
}

TEST(Plateau, KeepsEachGroupsOwnRate) {
  const Problem p;
  Optimizer o({{"a", p.a}}, SGD{.lr = 1.0});
  o.add_group(Parameters{{"b", p.b}}, SGD{.lr = 1e-3});
  ReduceOnPlateau plateau(o, {.factor = 0.1, .patience = 0});
  plateau.step(1);
  plateau.step(1);
  EXPECT_NEAR(o.get("lr", 0), 0.1, 1e-15);
  EXPECT_NEAR(o.get("lr", 1), 1e-4, 1e-18);
}

TEST(Schedules, OutOfRangeOnTheWayAreRefusedAndChangeNothing) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.lr = ramp(0.1, -0.1, 2)});
  p.step(o);
  p.step(o);
  const std::vector<double> before = p.values().to_vector();
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { p.step(o); }),
               "[sgd] got lr = -0.1 from its schedule at step 2, expected a number in [0, inf)"));
  EXPECT_EQ(p.values().to_vector(), before);
  EXPECT_EQ(o.steps(), 2);
}

TEST(Settings, ThatDoNotGoTogetherAreRefusedAlsoWhenSetLater) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.momentum = 0.9, .nesterov = true});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.set("dampening", 0.5); }),
                       "got nesterov with momentum = 0.9"));
  EXPECT_EQ(o.get("dampening"), 0);
}

TEST(State, HoldsTheSettingsOfWrappersAndOfNestedOnes) {
  const auto make = [](const Problem& p) {
    return ema(ema(sam(clip_norm({p.parameters(), SGD{.lr = 0.01}}, 1.0)), 0.9), 0.5);
  };
  const Problem p, q;
  Optimizer a = make(p), b = make(q);
  a.set("max_norm", 0.25);
  a.set("rho", 0.5);
  p.step(a);
  b.load_state_dict(a.state_dict());
  EXPECT_EQ(b.get("max_norm"), 0.25);
  EXPECT_EQ(b.get("rho"), 0.5);
  EXPECT_TRUE(a.state_dict().contains("ema2/average/a"));
}

TEST(State, WithSettingsOutOfRangeIsRefusedAndChangesNothing) {
  const Problem p;
  Optimizer o = sam({p.parameters(), SGD{.lr = 0.01}});
  p.step(o);
  for (const char* key : {"sam/rho", "group/0/lr"}) {
    State state = o.state_dict();
    state[key] = full({}, -5, kFloat64);
    state["optimizer/steps"] = full({}, 99, kInt64);
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.load_state_dict(state); }), " = -5"));
    EXPECT_EQ(o.get("rho"), 0.05);
    EXPECT_EQ(o.get("lr"), 0.01);
    EXPECT_EQ(o.steps(), 1);
  }
}

TEST(State, WithACountOrNumberThatIsNoneIsRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* text : {"prodigy", "nadam", "schedule_free_adamw", "lbfgs", "ema(adam)",
                           "swa(adam)", "lookahead(adam)", "accumulate(adam, 2)"}) {
    const Problem p;
    Optimizer o = make(text, p.parameters());
    p.step(o);
    const State before = o.state_dict();
    int changed = 0;
    for (const auto& [key, t] : before) {
      if (t.dtype() == kFloat32 || t.numel() > 3) continue;  // a slot
      State state = before;
      state[key] =
          t.dtype() == kInt64 ? full(t.shape(), -2, kInt64) : full(t.shape(), nan, kFloat64);
      EXPECT_THROW(o.load_state_dict(state), Error) << text << " " << key;
      EXPECT_EQ(o.state_dict().at(key).to_vector(), t.to_vector()) << text << " " << key;
      ++changed;
    }
    EXPECT_GT(changed, 5) << text;
  }
  Optimizer o = make("adam", Problem().parameters());
  ReduceOnPlateau plateau(o);
  State state = plateau.state_dict();
  state["plateau/best"] = full({}, nan, kFloat64);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { plateau.load_state_dict(state); }),
                       "plateau/best: got nan, expected a number"));
}

TEST(Text, IsReadWithinItsLimits) {
  EXPECT_TRUE(has_text(message_of<ValueError>([] { parse_hyper("+-1"); }), "got the value '+-1'"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { parse_hyper(std::string(70000, '1')); }),
                       "got a text of 70000 bytes, expected at most 65536"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { cyclic(0, 1, INT64_MAX, 1); }),
                       "got up = 9223372036854775807, expected at most 1e15"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] {
                         joined({{INT64_MAX, 0.1}, {1, 0.1}});
                       }),
                       "expected at most 1e15"));
}

TEST(Average, IsNotSavedOrLoadedWhileExchanged) {
  const Problem p;
  Optimizer o = ema({p.parameters(), SGD{.lr = 0.01}}, 0.9);
  p.step(o);
  const State state = o.state_dict();
  const AverageGuard guard(o);
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { o.state_dict(); }), "exchanged for their average"));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict(state); }),
                       "exchanged for their average"));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }), "exchanged for their average"));
}

TEST(TiedWeights, SurviveSamAndAverages) {
  const Tensor w = tensor({{1.0, 2.0}, {3.0, 4.0}}, kFloat64).requires_grad_(),
               t = w.detach().t().requires_grad_();
  const std::vector<double> before = w.to_vector();
  const auto loss = [&] {
    const Tensor l = sum(square(w)) + sum(t);
    l.backward();
    return l;
  };
  Optimizer s = sam({{{"w", w}, {"t", t}}, SGD{.lr = 0}}, {.rho = 1});
  s.step(loss);
  EXPECT_EQ(w.to_vector(), before);
  Optimizer e = ema({{{"w", w}, {"t", t}}, SGD{.lr = 0.1}}, 0.5);
  e.step(loss);
  e.step(loss);
  const std::vector<double> trained = w.to_vector();
  e.swap_average();
  e.swap_average();
  EXPECT_EQ(w.to_vector(), trained);
}

TEST(MovedAway, OptimizersSaySo) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{});
  const Optimizer wrapped = clip_norm(std::move(o), 1.0);
  // NOLINTBEGIN(bugprone-use-after-move): this is the mistake
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { o.step(); }), "got an optimizer that was moved away"));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.zero_grad(); }),
                       "got an optimizer that was moved away"));
  // NOLINTEND(bugprone-use-after-move)
}

TEST(Schedules, SetLaterAreRefusedWhereTheyLeaveTheRangeAndChangeNothing) {
  const Problem p;
  Optimizer o = accumulate(sam({p.parameters(), Adam{.lr = 0.1}}), 2);
  for (int t = 0; t < 3; ++t) p.step(o);  // a whole step and half of the next step
  o.set("lr", ramp(0.1, -0.1, 2));
  p.step(o);
  const std::vector<double> before = p.values().to_vector();
  const State state = o.state_dict();
  const std::string message = message_of<ValueError>([&] {
    o.step([&]() -> double {
      ADD_FAILURE() << "the loss was evaluated";
      return 0;
    });
  });
  EXPECT_TRUE(has_text(message, "[adam] got lr = -0.1 from its schedule at step 2"));
  EXPECT_EQ(p.values().to_vector(), before);
  for (const auto& [key, t] : o.state_dict())
    EXPECT_EQ(t.to_vector(), state.at(key).to_vector()) << key;
}

template <int kCase>
struct Named {
  static constexpr std::array slot_names{kCase == 1 ? "step" : "v", kCase == 2 ? "v" : "m"};
  static constexpr std::array numbers{optim::Number{kCase == 3 ? "v" : "rate", 0}};
};

TEST(State, NeedsSlotsAndNumbersOfDifferentNames) {
  EXPECT_TRUE(optim::detail::names_differ<Named<0>>());
  EXPECT_FALSE(optim::detail::names_differ<Named<1>>()) << "'step' is the count of updates";
  EXPECT_FALSE(optim::detail::names_differ<Named<2>>()) << "two slots";
  EXPECT_FALSE(optim::detail::names_differ<Named<3>>()) << "a slot and a number";
}

TEST(Switches, FollowNoSchedule) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.momentum = 0.9});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.set("nesterov", ramp(0, 1, 10)); }),
                       "[set] got nesterov = ramp(0, 1, 10), expected 0 or 1: a switch follows "
                       "no schedule"));
  EXPECT_EQ(o.get("nesterov"), 0);
  o.set("nesterov", 1);
  EXPECT_EQ(o.get("nesterov"), 1);
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { make("nesterov(nesterov=ramp(1, 0, 10))", p.parameters()); }),
      "[sgd] got nesterov = ramp(1, 0, 10), expected 0 or 1: a switch follows "
      "no schedule"));
}

TEST(Tracer, ThatThrowsDoesNotHideWhyTheStepDid) {
  const Tensor w = ones({1}).requires_grad_();
  Optimizer o({{"w", w}}, SGD{});
  int rows = 0;
  o.set_tracer([&](const TraceRow&) {
    ++rows;
    fail<FileError>("tracer", "the disk is full");
  });
  w.set_grad(full({1}, NAN));
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { o.step(); }), "the gradient of 'w'"));
  w.set_grad(ones({1}));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { o.step(); }), "the disk is full"));
  EXPECT_EQ(rows, 2);
}

/// A model whose state_dict() returns the tensors of the model, and not copies.
struct Handles {
  Tensor w = tensor({1.0, 2.0}).requires_grad_();
  State state_dict() const { return {{"w", w}}; }
  void load_state_dict(const State& state) {
    const NoGradGuard guard;
    w.copy_(state.at("w"));
  }
};

TEST(EarlyStopping, KeepsACopyAlsoOfAStateThatIsNone) {
  Handles model;
  EarlyStopping stopping;
  stopping.step(0.5, model);
  model.load_state_dict({{"w", zeros({2})}});
  stopping.step(0.7, model);
  stopping.restore(model);
  EXPECT_EQ(model.w.to_vector(), (std::vector<double>{1, 2}));
}

TEST(Groups, ArePrintedButNotMadeFromText) {
  const Problem p;
  Optimizer o({{"a", p.a}}, SGD{});
  o.add_group(Parameters{{"b", p.b}}, Lion{});
  for (const std::string& text : {o.to_string(), clip_norm(std::move(o), 1.0).to_string()}) {
    EXPECT_TRUE(has_text(text, ") + lion(lr="));
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { make(text, p.parameters()); }),
                         "Hint: + joins groups, and text does not say which parameters each has: "
                         "make the first, then add_group()"));
  }
}

TEST(Groups, AreNotAddedWhileWeightsAreExchangedForTheirAverage) {
  const Problem p;
  Optimizer o(Parameters{{"a", p.a}}, ScheduleFreeSGD{});
  const auto add = [&] { o.add_group(Parameters{{"b", p.b}}, ScheduleFreeSGD{}); };
  o.swap_average();
  EXPECT_TRUE(has_text(message_of<StateError>(add),
                       "[add_group] got weights that are exchanged for their average in "
                       "schedule_free_sgd, expected training weights. Hint: call swap_average() "
                       "again first"));
  EXPECT_EQ(o.groups(), 1);
  o.swap_average();
  add();
  EXPECT_EQ(o.groups(), 2);
}

TEST(Average, IsThatOfTheOutermostWrapperThatKeepsOne) {
  const Problem p;
  Optimizer o = swa(ema({p.parameters(), SGD{.lr = 0.01}}, 0.9), {.start = 1});
  p.step(o);
  EXPECT_FALSE(o.has_average()) << "ema's would do until swa starts";
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.swap_average(); }),
                       "[swa] got no snapshot yet, expected at least one"));
  p.step(o);
  EXPECT_TRUE(o.has_average());
  const std::vector<double> snapshot = p.values().to_vector();
  o.swap_average();
  EXPECT_EQ(p.values().to_vector(), snapshot);
}

TEST(Average, OfARuleIsTheWeightsBeforeTheFirstStep) {
  for (const char* rule : {"schedule_free_adamw", "schedule_free_sgd", "asgd"}) {
    const Problem p;
    Optimizer o = make(rule, p.parameters());
    const std::vector<double> start = p.values().to_vector();
    EXPECT_TRUE(o.has_average()) << rule;
    o.swap_average();
    EXPECT_EQ(p.values().to_vector(), start) << rule;
  }
}

TEST(AverageGuard, PutsTheWeightsBackAlsoWhenTheOptimizerWasMovedOrWrapped) {
  for (const char* text : {"ema(sgd(lr=0.01), 0.5)", "schedule_free_sgd(lr=0.01)"}) {
    const Problem p;
    Optimizer o = make(text, p.parameters());
    for (int t = 0; t < 3; ++t) p.step(o);
    const std::vector<double> training = p.values().to_vector();
    std::vector<Optimizer> moved;
    {
      const AverageGuard guard(o);
      EXPECT_NE(p.values().to_vector(), training);
      moved.push_back(std::move(o));
      moved.push_back(clip_norm(std::move(moved[0]), 1.0));
    }
    EXPECT_EQ(p.values().to_vector(), training) << text;
    p.step(moved[1]);
  }
}

TEST(AverageGuard, LeavesTheAverageWhenTheOptimizerIsGone) {
  const Problem p;
  Optimizer o = ema({p.parameters(), SGD{.lr = 0.01}}, 0.5);
  for (int t = 0; t < 3; ++t) p.step(o);
  std::vector<double> average;
  {
    const AverageGuard guard(o);
    average = p.values().to_vector();
    o = Optimizer(p.parameters(), SGD{.lr = 0.01});
  }
  EXPECT_EQ(p.values().to_vector(), average);
}

TEST(Settings, AreSetWhereTheyAreRead) {
  const Problem p;
  Optimizer o = agc({p.parameters(), Adam{.eps = 1e-8}}, {.eps = 1e-3});
  o.set("eps", 0.5);
  EXPECT_EQ(o.get("eps"), 0.5);
  EXPECT_EQ(o.get("agc.eps"), 0.5);
  EXPECT_EQ(o.get("adam.eps"), 1e-8);
  o.set("adam.eps", 1e-4);
  EXPECT_EQ(o.get("adam.eps"), 1e-4);
  EXPECT_EQ(o.get("eps"), 0.5);
  o.set("lr", 0.25);
  EXPECT_EQ(o.get("adam.lr"), 0.25);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.set("adam.eps", -1); }),
                       "[set] got adam.eps = -1, expected a number in [0, inf)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.get("sgd.eps"); }),
                       "[get] got the name 'sgd.eps', expected one of beta1"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.get("adam.clip"); }), "'adam.clip'"));
}

TEST(Settings, OfNestedWrappersHaveTheNamesOfTheirState) {
  const Problem p;
  Optimizer o = ema(ema({p.parameters(), SGD{}}, 0.5), 0.75);
  EXPECT_EQ(o.get("decay"), 0.75);
  EXPECT_EQ(o.get("ema2.decay"), 0.75);
  EXPECT_EQ(o.get("ema.decay"), 0.5);
  EXPECT_TRUE(o.state_dict().contains("ema2/decay"));
}

TEST(Settings, OfOneRuleAmongGroupsAreSetByItsName) {
  const Problem p;
  Optimizer o({{"a", p.a}}, SGD{.lr = 1});
  o.add_group(Parameters{{"b", p.b}}, Adam{.lr = 1});
  o.set("adam.lr", 0.5);
  EXPECT_EQ(o.get("lr", 0), 1);
  EXPECT_EQ(o.get("lr", 1), 0.5);
  o.set("lr", 2);
  EXPECT_EQ(o.get("lr", 0), 2);
  EXPECT_EQ(o.get("lr", 1), 2);
}

TEST(Plateau, ReachesRulesThroughWrappersAndWrappersThemselves) {
  const Problem p;
  Optimizer groups({{"a", p.a}}, Adam{.lr = 1});
  groups.add_group(Parameters{{"b", p.b}}, Adam{.lr = 0.5});
  Optimizer o = agc(std::move(groups), {.eps = 1});
  for (const char* field : {"lr", "eps"}) {
    ReduceOnPlateau plateau(o, {.factor = 0.5, .patience = 0}, field);
    plateau.step(1);
    plateau.step(1);
  }
  EXPECT_EQ(o.get("lr", 0), 0.5);
  EXPECT_EQ(o.get("lr", 1), 0.25);
  EXPECT_EQ(o.get("agc.eps"), 0.5);
  EXPECT_EQ(o.get("adam.eps", 1), 1e-8);
}

TEST(Mistakes, AreNamedWithTheirValues) {
  const Problem p;
  const auto refusal = [](const auto& f) { return message_of<ValueError>(f); };
  EXPECT_TRUE(has_text(refusal([] { EarlyStopping({.patience = -1}); }), "got patience = -1"));
  EXPECT_TRUE(has_text(refusal([] { EarlyStopping({.min_delta = -0.5}); }), "min_delta = -0.5"));
  EXPECT_TRUE(has_text(refusal([&] { make("rprop(step_min=2, step_max=1)", p.parameters()); }),
                       "got step_min = 2 and step_max = 1"));
  EXPECT_TRUE(has_text(refusal([] { polynomial(0.1, 0); }), "got steps = 0, expected 1 or more"));
  EXPECT_TRUE(has_text(refusal([] { cyclic(0.1, 1, 0, 5); }), "got up = 0, expected 1 or more"));
  EXPECT_TRUE(has_text(refusal([] { cosine_restarts(0.1, 5, 0); }), "got multiply = 0"));
  EXPECT_TRUE(has_text(refusal([] { inverse_sqrt(0.1, 0); }), "got warmup = 0"));
  EXPECT_TRUE(has_text(refusal([] { multi_step(NAN, 0.1, {3}); }), "got value = nan"));
  EXPECT_TRUE(has_text(refusal([] {
                         compare_cards({"sgd", "adam", "lion", "adan", "lars"});
                       }),
                       "got 5 optimizers for a width of 80"));
  Optimizer o(Parameters{{"w", p.a}}, SGD{});
  const Tensor c = ones({2}).requires_grad_();
  o.add_group(Parameters{{"v", p.b}}, SGD{});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         o.add_group(Parameters{{"x", p.a}}, SGD{});
                       }),
                       "'x' twice"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] {
                         make("sophia", {{"c", c}}).step();
                       }),
                       "got no closure"));
}

}  // namespace
}  // namespace descent
