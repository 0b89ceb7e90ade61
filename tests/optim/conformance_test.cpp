// The rules that hold for every optimizer, for every optimizer: whatever is in the registry, with
// each switch on, and every wrapper around it.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <gtest/gtest.h>
#include <set>

namespace descent {
namespace {

using namespace optim;
using testing::all_optimizers;
using testing::has_text;
using testing::message_of;
using testing::Problem;

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  Optimizer make(Parameters p) const {
    static const auto all = all_optimizers();
    return all.at(GetParam())(std::move(p));
  }
  bool maximizes() const { return GetParam().ends_with("maximize"); }
};

/// A closure that leaves the given gradients (undefined for none) and returns 0.
auto leaves(const Parameters& parameters, std::vector<Tensor> grads) {
  return [parameters, grads] {
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].value.set_grad(grads[i]);
    return 0.0;
  };
}

TEST_P(Conformance, SkipsAParameterWithoutAGradient) {
  const Problem p;
  Optimizer o = make(p.parameters());
  const std::vector<double> b = p.b.to_vector();
  for (int i = 0; i < 3; ++i) o.step(leaves(p.parameters(), {p.a.detach() * 0.1 + 1, Tensor()}));
  EXPECT_EQ(p.b.to_vector(), b);
  // And counts no step for it: its first update is as if the three had not been.
  const Problem fresh;
  Optimizer f = make(fresh.parameters());
  const Tensor g = ones({4}, kFloat64);
  if (GetParam() == "swa" || GetParam() == "ema" || GetParam() == "all_wrappers")
    return;  // same rule as adamw's
  o.step(leaves(p.parameters(), {Tensor(), g}));
  f.step(leaves(fresh.parameters(), {Tensor(), g}));
  EXPECT_EQ(p.b.to_vector(), fresh.b.to_vector());
}

TEST_P(Conformance, UpdatesAParameterWithAZeroGradient) {
  const Problem p;
  Optimizer o = make(p.parameters());
  const std::vector<Tensor> grads{ones({2, 3}, kFloat64), ones({4}, kFloat64)};
  o.step(leaves(p.parameters(), grads));
  const std::vector<double> before = p.values().to_vector();
  o.step(leaves(p.parameters(), {zeros({2, 3}, kFloat64), zeros({4}, kFloat64)}));
  // Plain SGD, AdaGrad and RMSProp rightly stand still; whatever has momentum or decay moves.
  static const std::set<std::string> still{"sgd", "adagrad", "rmsprop"};
  const std::string rule = GetParam().substr(0, GetParam().find('_'));
  const bool moved = p.values().to_vector() != before;
  EXPECT_EQ(moved, !still.contains(rule) || GetParam() == "rmsprop_all");
}

TEST_P(Conformance, CountsStepsPerParameterNotPerTensor) {
  // One tensor of ten numbers, and the same numbers as ten tensors, move alike.
  const Problem p;
  const Tensor whole = p.values().requires_grad_();
  Parameters pieces;
  for (std::int64_t i = 0; i < 10; ++i)
    pieces.push_back(
        {std::to_string(i), whole.detach().slice(0, i, i + 1).clone().detach().requires_grad_()});
  if (GetParam() == "clip_norm_per_parameter") return;  // there the grouping is the point
  Optimizer one = make({{"w", whole}}), ten = make(pieces);
  for (int t = 0; t < 4; ++t) {
    const Tensor g = cos(whole.detach() * 3 + t);
    one.step(leaves({{"w", whole}}, {g}));
    std::vector<Tensor> gs;
    for (std::int64_t i = 0; i < 10; ++i) gs.push_back(g.slice(0, i, i + 1).clone());
    ten.step(leaves(pieces, gs));
  }
  std::vector<Tensor> values;
  for (const Parameter& q : pieces) values.push_back(q.value.detach());
  EXPECT_TRUE(allclose(cat(values), whole.detach(), 1e-14, 1e-15));
}

TEST_P(Conformance, NeverWritesTheGradient) {
  const Problem p;
  Optimizer o = make(p.parameters());
  const Tensor ga = sin(p.a.detach() * 7) * 5, gb = cos(p.b.detach() * 7) * 5;
  const Tensor a = ga.clone(), b = gb.clone();
  for (int i = 0; i < 3; ++i) o.step(leaves(p.parameters(), {a, b}));
  EXPECT_EQ(a.to_vector(), ga.to_vector());
  EXPECT_EQ(b.to_vector(), gb.to_vector());
  EXPECT_TRUE(p.a.grad().is_same(a));
}

TEST_P(Conformance, RefusesAParameterGivenTwice) {
  const Problem p;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         make({{"x", p.a}, {"y", p.b}, {"again", p.a}});
                       }),
                       "'again' twice"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         make({{"x", p.a}, {"x", p.b}});
                       }),
                       "'x' twice"));
}

TEST_P(Conformance, RefusesAnEmptyList) {
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { make({}); }), "got no parameters"));
}

TEST_P(Conformance, RefusesTensorsThatAreNoLeaves) {
  const Problem p;
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { make({{"a", p.a * 2}}); }), "expected a leaf"));
}

TEST_P(Conformance, ThrowsOnANonFiniteGradientAndChangesNothing) {
  for (const double bad : {NAN, INFINITY}) {
    const Problem p;
    Optimizer o = make(p.parameters());
    const std::vector<Tensor> good{ones({2, 3}, kFloat64), ones({4}, kFloat64)};
    o.step(leaves(p.parameters(), good));
    const std::vector<double> before = p.values().to_vector();
    const State state = o.state_dict();
    const Tensor b = ones({4}, kFloat64);
    b[2].fill_(bad);
    const std::string text = message_of<NonFiniteError>([&] {
      o.step(leaves(p.parameters(), {good[0], b}));
    });
    EXPECT_TRUE(has_text(text, "NaN or infinity"));
    EXPECT_EQ(p.values().to_vector(), before);
    EXPECT_EQ(o.steps(), 1);
  }
}

TEST_P(Conformance, SkipsANonFiniteGradientWhenAskedTo) {
  const Problem p;
  Optimizer o = make(p.parameters());
  o.set_non_finite(NonFinite::skip);
  const std::vector<double> before = p.values().to_vector();
  o.step(leaves(p.parameters(), {full({2, 3}, NAN, kFloat64), ones({4}, kFloat64)}));
  EXPECT_EQ(p.values().to_vector(), before);
  EXPECT_EQ(o.skipped_steps(), 1);
}

struct FieldNames : FieldVisitor {
  std::vector<std::pair<std::string, Range>> hypers;
  void operator()(std::string_view name, Hyper&, const Range& range) override {
    hypers.emplace_back(name, range);
  }
  void operator()(std::string_view, bool&) override {}
};

TEST(EveryField, OfEveryRuleRefusesWhatIsOutOfRangeAndTakesSchedules) {
  for (const Entry& e : registry()) {
    if (e.is_wrapper) continue;
    for (const Entry::Field& f : e.fields) {
      const Problem p;
      if (f.range == "switch") {
        EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                               e.make(p.parameters(), {{f.name, 0.5}});
                             }),
                             f.name + " = 0.5"));
        continue;
      }
      for (const double bad : {-1.0, std::nan("")}) {
        const std::string text = message_of<ValueError>([&] {
          e.make(p.parameters(), {{f.name, bad}});
        });
        EXPECT_TRUE(
            has_text(text, concat("got ", f.name, " = ", bad, ", expected a number in ", f.range)));
      }
      if (e.name == "nesterov" && f.name == "dampening") continue;  // no other value is legal
      Optimizer o = e.make(p.parameters(), {{f.name, linear(0.5, 0.25, 2)}});
      EXPECT_EQ(o.get(f.name), 0.5) << e.name;
      p.step(o);
      EXPECT_EQ(o.get(f.name), 0.375) << e.name << "." << f.name << " does not follow its schedule";
      o.set(f.name, 0.125);
      EXPECT_EQ(o.get(f.name), 0.125);
      p.step(o);
      const std::string text = message_of<ValueError>([&] { o.set(f.name, -2.0); });
      EXPECT_TRUE(has_text(text, concat("got ", f.name, " = -2")));
      EXPECT_EQ(o.get(f.name), 0.125) << "a refused value was kept";
    }
  }
}

TEST_P(Conformance, GoesOnWithTheSameBitsAfterSavingAndLoading) {
  const Problem p, q;
  Optimizer o = make(p.parameters()), resumed = make(q.parameters());
  for (int t = 0; t < 5; ++t) p.step(o);
  const State state = o.state_dict();
  {
    const NoGradGuard guard;
    q.a.copy_(p.a);
    q.b.copy_(p.b);
  }
  resumed.load_state_dict(state);
  EXPECT_EQ(resumed.steps(), 5);
  for (int t = 0; t < 5; ++t) {
    p.step(o);
    q.step(resumed);
  }
  EXPECT_EQ(p.values().to_vector(), q.values().to_vector());
}

TEST_P(Conformance, RefusesAStateThatDoesNotFitAndChangesNothing) {
  const Problem p;
  Optimizer o = make(p.parameters());
  for (int t = 0; t < 3; ++t) p.step(o);
  const State before = o.state_dict();
  std::vector<State> wrong;
  for (const auto& [key, t] : before) {
    if (key.starts_with("group/")) continue;
    State missing = before;
    missing.erase(key);
    wrong.push_back(missing);
    State shaped = before;
    shaped[key] = zeros({7, 7}, kFloat64);
    wrong.push_back(shaped);
  }
  State extra = before;
  extra["adamw/m/other"] = zeros({3});
  wrong.push_back(extra);
  wrong.push_back({});
  for (const State& w : wrong)
    EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict(w); }), "does not fit"));
  const State after = o.state_dict();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [key, t] : before) EXPECT_EQ(after.at(key).to_vector(), t.to_vector()) << key;
}

TEST_P(Conformance, GivesTheSameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int n : {1, 2, 7}) {
    const testing::WithThreads threads(n);
    Generator generator(3);
    const Tensor w = randn({100, 1003}, generator).requires_grad_(),
                 v = randn({17}, generator).requires_grad_();
    const Parameters parameters{{"w", w}, {"v", v}};
    Optimizer o = make(parameters);
    for (int t = 0; t < 3; ++t)
      o.step(leaves(parameters, {sin(w.detach() * (t + 1)), cos(v.detach())}));
    results.push_back(cat({w.detach().reshape({-1}), v.detach()}).to_vector<float>());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(Conformance, TreatsEveryLayoutAndPositionAlike) {
  // The same numbers as a row-major matrix, a transposed one, a view with gaps, and one by one.
  Generator generator(5);
  const Tensor start = randn({5, 37}, generator), grad = randn({5, 37}, generator);
  if (GetParam() == "clip_norm_per_parameter") return;
  const auto run = [&](const Parameters& parameters, const std::vector<Tensor>& grads) {
    Optimizer o = make(parameters);
    for (int t = 0; t < 3; ++t) o.step(leaves(parameters, grads));
  };
  const Tensor row_major = start.clone().requires_grad_();
  run({{"w", row_major}}, {grad});
  const std::vector<float> expected = row_major.to_vector<float>();

  const Tensor transposed = start.t().contiguous().t().detach().requires_grad_();
  run({{"w", transposed}}, {grad});
  EXPECT_EQ(transposed.to_vector<float>(), expected);

  const Tensor gaps = zeros({5, 74}).slice(1, 0, kEnd, 2).detach();
  gaps.copy_(start);
  gaps.requires_grad_();
  run({{"w", gaps}}, {grad});
  EXPECT_EQ(gaps.to_vector<float>(), expected);

  if (GetParam().find("sam") != std::string::npos ||
      GetParam().find("clip_norm") != std::string::npos || GetParam() == "all_wrappers")
    return;  // a norm over other tensors is summed in another order
  Parameters singles;
  std::vector<Tensor> single_grads;
  for (std::int64_t i = 0; i < 185; ++i) {
    singles.push_back({std::to_string(i),
                       start.reshape({-1}).slice(0, i, i + 1).clone().detach().requires_grad_()});
    single_grads.push_back(grad.reshape({-1}).slice(0, i, i + 1).clone());
  }
  run(singles, single_grads);
  for (std::size_t i = 0; i < 185; ++i)
    ASSERT_EQ(singles[i].value.detach().item<float>(), expected[i]) << "element " << i;
}

TEST_P(Conformance, TakesParametersOfAnySizeAndNoElements) {
  for (const std::int64_t n : {0, 1, 7, 1000, 100003}) {
    const Tensor w = full({n}, 0.5).requires_grad_();
    Optimizer o = make({{"w", w}});
    o.step(leaves({{"w", w}}, {ones({n})}));
    if (n > 0) {
      EXPECT_EQ(w.detach().min().item(), w.detach().max().item())
          << "elements of " << n << " differ";
    }
    EXPECT_TRUE(std::isfinite(w.detach().sum().item()));
  }
}

TEST_P(Conformance, LowersAConvexLoss) {
  const Tensor w = tensor({3.0, -2.0, 1.0}, kFloat64).requires_grad_();
  Optimizer o = make({{"w", w}});
  const double sign = maximizes() ? -1 : 1;
  const auto loss = [&] {
    const Tensor l = sum(square(w)) * (0.5 * sign);
    l.backward();
    return l;
  };
  const double first = sign * o.step(loss);
  double last = first;
  for (int i = 0; i < 100; ++i) last = sign * o.step(loss);
  EXPECT_LT(last, first);
}

TEST_P(Conformance, MakesNoNaNFromTinyOrZeroGradients) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor w = ones({9}, dtype).requires_grad_();
    Optimizer o = make({{"w", w}});
    const Tensor g =
        tensor({0.0, 1e-30, -1e-30, 1e-38, 1e-40, -1e-44, 1e-8, -1e-8, 1e-20}, kFloat64).to(dtype);
    for (int t = 0; t < 50; ++t) o.step(leaves({{"w", w}}, {t % 2 == 0 ? g : zeros({9}, dtype)}));
    for (const double x : w.detach().to_vector()) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST_P(Conformance, AllocatesNothingInSteadyState) {
  const Tensor w = ones({300, 40}).requires_grad_(), b = ones({40}).requires_grad_();
  const Tensor gw = full({300, 40}, 0.1), gb = full({40}, 0.1);
  Optimizer o = make({{"w", w}, {"b", b}});
  const auto step = [&] {
    o.step([&] {
      w.set_grad(gw);
      b.set_grad(gb);
      return 0.0;
    });
  };
  for (int i = 0; i < 5; ++i) step();
  const testing::CountAllocations count;
  for (int i = 0; i < 20; ++i) step();
  EXPECT_EQ(count.so_far(), 0);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, make] : all_optimizers()) all.push_back(name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, Conformance, ::testing::ValuesIn(names()),
                         [](const auto& i) { return i.param; });

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
  Optimizer o(p.parameters(), SGD{.lr = linear(0.1, -0.1, 2)});
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
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { o.step(); }), "got an optimizer that was moved away"));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.zero_grad(); }),
                       "got an optimizer that was moved away"));
}

}  // namespace
}  // namespace descent
