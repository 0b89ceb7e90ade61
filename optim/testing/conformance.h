// The conformance tests: what holds for every optimizer, as a suite for GoogleTest. Descent's own
// optimizers pass it, and you can run it on a rule or wrapper of your own.
//
//   #include <descent/optim/testing/conformance.h>
//
//   DESCENT_CONFORMANCE(Mine, optim::conformance::subject("mine", Mine{.lr = 0.1}));
//
// Mine is a rule or a wrapper. The suite tests that
// - a parameter without a gradient is skipped, and a parameter whose gradient is 0 is updated;
// - the optimizer converges on four problems, at one of eleven rates;
// - two groups with the same rule give what one group gives;
// - every setting can be read, set and scheduled, and is checked;
// - a run that is saved and loaded goes on with the same bits;
// - the number of threads, the layout in memory and the size of a parameter change nothing;
// - no gradient is written, and a gradient that is not finite changes no weight.
//
// Include this header in one source file of a program that links GTest::gtest_main. descent.h does
// not include it.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>
#include <descent/core/thread_state.h>
#include <descent/optim/names/register.h>
#include <descent/optim/rules/adamw.h>
#include <descent/optim/schedule.h>

#include <gtest/gtest.h>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace descent::optim::conformance {

/// An optimizer that is tested.
struct Subject {
  std::string name;  ///< for the name of the test: letters, digits and underscores
  std::function<Optimizer(Parameters)> make;  ///< makes the optimizer
  /// Adds a group with the same rule. If it is empty, groups are not tested.
  std::function<void(Optimizer&, Parameters)> add_group = {};
};

/// Makes a subject of a rule of your own, or of a wrapper of your own around AdamW.
template <class Rule>
Subject subject(std::string name, Rule rule) {
  if constexpr (detail::is_wrapper<Rule>)
    return {std::move(name), [rule](Parameters p) {
              return wrap(Optimizer(std::move(p), AdamW{.lr = 0.01}), rule);
            }};
  else
    return {std::move(name), [rule](Parameters p) { return Optimizer(std::move(p), rule); },
            [rule](Optimizer& o, Parameters p) { o.add_group(std::move(p), rule); }};
}
/// Makes a subject of a description: subject("sam(adamw(lr=0.01))").
inline Subject subject(const std::string& description) {
  std::string name;
  for (const char c : description)
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_')
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  return {name, [description](Parameters p) { return optim::make(description, std::move(p)); }};
}

/// @name For GoogleTest
/// @{

/// Gives the name of a subject to GoogleTest.
inline std::string name_of(const ::testing::TestParamInfo<Subject>& info) {
  return info.param.name;
}
inline void PrintTo(const Subject& s, std::ostream* out) { *out << s.name; }
/// @}

/// A small problem whose gradient is written by hand.
struct Problem {
  const char* name;           ///< for messages
  std::vector<double> start;  ///< x at the start
  double goal;                ///< an optimizer must reach f(x) <= goal
  /// Returns f(x) and writes its gradient to g.
  std::function<double(const std::vector<double>& x, std::vector<double>& g)> f;
};

/// The problems on which an optimizer must converge: a quadratic, Rosenbrock's and Beale's
/// functions, and a logistic regression.
inline std::vector<Problem> problems() {
  using V = std::vector<double>;
  return {
      {"quadratic",
       {1, 1, 1, 1},
       0.02,
       [](const V& x, V& g) {
         const double k[] = {1, 3, 10, 30};
         double f = 0;
         for (std::size_t i = 0; i < 4; ++i) f += 0.5 * k[i] * x[i] * x[i], g[i] = k[i] * x[i];
         return f;
       }},
      {"Rosenbrock",
       {-1.2, 1},
       0.1,
       [](const V& x, V& g) {
         const double a = 1 - x[0], b = x[1] - x[0] * x[0];
         g = {-2 * a - 400 * x[0] * b, 200 * b};
         return a * a + 100 * b * b;
       }},
      {"Beale",
       {2.8, 0.35},
       1e-3,
       [](const V& x, V& g) {
         const double c[] = {1.5, 2.25, 2.625};
         double f = 0, power = 1;
         g = {0, 0};
         for (int i = 0; i < 3; ++i) {
           const double before = power;
           power *= x[1];
           const double r = c[i] - x[0] * (1 - power);
           f += r * r;
           g[0] += 2 * r * (power - 1);
           g[1] += 2 * r * x[0] * (i + 1) * before;
         }
         return f;
       }},
      {"logistic regression",
       {0, 0, 0},
       0.55,
       [](const V& x, V& g) {  // 40 points whose classes overlap; the best loss is 0.5463
         double f = 0;
         g = {0, 0, 0};
         for (int i = 0; i < 40; ++i) {
           const double u = std::sin(1.7 * i), v = std::cos(2.3 * i);
           const double y = u + 0.5 * v + 0.9 * std::sin(5.1 * i) > 0 ? 1 : -1;
           const double z = y * (x[0] * u + x[1] * v + x[2]), p = 1 / (1 + std::exp(z));
           f += std::log1p(std::exp(-z)) / 40;
           g[0] -= y * p * u / 40, g[1] -= y * p * v / 40, g[2] -= y * p / 40;
         }
         return f;
       }},
  };
}

/// The suite, and what its tests share.
class OptimizerConformance : public ::testing::TestWithParam<Subject> {
 protected:
  /// Makes the tested optimizer for parameters p.
  Optimizer make(Parameters p) const { return GetParam().make(std::move(p)); }

  /// The shape of n numbers: (n), or (1, n) if the optimizer takes only matrices.
  Shape vec(std::int64_t n) const { return takes_vectors() ? Shape{n} : Shape{1, n}; }
  /// False if the optimizer refuses a vector.
  bool takes_vectors() const {
    try {
      make({{"v", ones({3}, kFloat64).requires_grad_()}});
      return true;
    } catch (const ShapeError&) {
      return false;
    }
  }
  /// A parameter with these values.
  Tensor leaf(const Tensor& values) const { return values.clone().detach().requires_grad_(); }

  /// Two parameters.
  struct Pair {
    Tensor a, b;  ///< a is (2, 3); b has 4 elements
    /// Both, with their names.
    Parameters parameters() const { return {{"a", a}, {"b", b}}; }
    /// All ten values.
    std::vector<double> values() const {
      return cat({a.detach().reshape({-1}), b.detach().reshape({-1})}).to_vector();
    }
  };
  /// Two parameters with the values sin(1), …, sin(10).
  Pair pair(DType dtype = kFloat64) const {
    const Tensor x = sin(arange(1, 11, 1, kFloat64));
    return {leaf(x.slice(0, 0, 6).reshape({2, 3}).to(dtype)),
            leaf(x.slice(0, 6).reshape(vec(4)).to(dtype))};
  }
  /// Makes a step with these gradients. An undefined tensor stands for no gradient.
  static double step(Optimizer& o, const Parameters& all, const std::vector<Tensor>& grads) {
    return o.step([&] {
      for (std::size_t i = 0; i < all.size(); ++i) all[i].value.set_grad(grads[i]);
      return 0.0;
    });
  }
  /// Makes a step on a bowl with ripples, whose gradient comes from autograd. Returns the loss.
  static double descend(Optimizer& o, const Pair& p, double sign = 1) {
    return o.step([&] {
      const Tensor w = cat({p.a.reshape({-1}), p.b.reshape({-1})});
      const Tensor loss = sum(square(w - 0.3) + sin(w * 3) * 0.3) * sign;
      loss.backward();
      return loss;
    });
  }
  /// The number of updates of a parameter, read from the state. −1 if the state has none.
  static double updates(const Optimizer& o, const std::string& parameter) {
    for (const auto& [key, t] : o.state_dict())
      if (key.ends_with("/step/" + parameter)) return t.item();
    return -1;
  }
  /// True if the optimizer climbs: its setting `maximize` is on.
  static bool maximizes(const Optimizer& o) {
    for (const Field& f : o.fields())
      if (f.name == "maximize") return f.value != 0;
    return false;
  }
  /// The message of the error that f throws; "no error" if f throws none.
  template <class F>
  static std::string error_of(F f) {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST_P(OptimizerConformance, SkipsAParameterWithoutAGradientAndUpdatesOneWithZero) {
  const Pair p = pair();
  Optimizer o = make(p.parameters());
  const std::vector<double> b = p.b.to_vector();
  for (int i = 0; i < 6; ++i) step(o, p.parameters(), {p.a.detach() * 0.1 + 1, Tensor()});
  if (!o.searches()) {  // for L-BFGS a missing gradient counts as 0
    EXPECT_EQ(p.b.to_vector(), b);
    EXPECT_EQ(updates(o, "b"), 0);
  }
  const double before = updates(o, "b");
  for (int i = 0; i < 6; ++i)
    step(o, p.parameters(), {zeros({2, 3}, kFloat64), zeros(vec(4), kFloat64)});
  EXPECT_GT(updates(o, "b"), before) << "a zero gradient is a gradient";
  for (const double x : p.values()) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(OptimizerConformance, CountsStepsPerParameterNotPerTensor) {
  // One tensor of ten numbers, and the same numbers as ten tensors, move alike.
  const Tensor start = sin(arange(1, 11, 1, kFloat64));
  const Tensor whole = leaf(start.reshape(vec(10)));
  Parameters pieces;
  for (std::int64_t i = 0; i < 10; ++i)
    pieces.push_back({std::to_string(i), leaf(start.slice(0, i, i + 1).reshape(vec(1)))});
  Optimizer one = make({{"w", whole}}), ten = make(pieces);
  for (int t = 0; t < 4; ++t) {
    const Tensor g = cos(whole.detach() * 3 + t);
    step(one, {{"w", whole}}, {g});
    std::vector<Tensor> gs;
    for (std::int64_t i = 0; i < 10; ++i)
      gs.push_back(g.reshape({-1}).slice(0, i, i + 1).reshape(vec(1)).clone());
    step(ten, pieces, gs);
  }
  for (const Parameter& q : pieces) EXPECT_EQ(updates(ten, q.name), updates(one, "w"));
  if (!one.elementwise()) return;  // values depend on how weights are divided into parameters
  std::vector<Tensor> values;
  for (const Parameter& q : pieces) values.push_back(q.value.detach().reshape({-1}));
  EXPECT_TRUE(allclose(cat(values), whole.detach().reshape({-1}), 1e-14, 1e-15));
}

TEST_P(OptimizerConformance, ConvergesAtSomeRate) {
  const bool maximize = maximizes(make(pair().parameters()));
  for (const Problem& problem : problems()) {
    const auto n = static_cast<std::int64_t>(problem.start.size());
    double best = std::numeric_limits<double>::infinity();
    for (const double rate : {1.0, 0.3, 0.1, 0.03, 0.01, 3.0, 10.0, 3e-3, 1e-3, 3e-4, 1e-4}) {
      const Tensor w = leaf(tensor(problem.start, vec(n)));
      Optimizer o = make({{"w", w}});
      o.set_non_finite(NonFinite::skip);
      constexpr std::int64_t kSteps = 16000;
      o.set("lr", o.searches() ? Hyper(rate) : Hyper(cosine(rate, kSteps)));
      for (const Field& f : o.fields())  // SAM stays away from a sharp minimum by its radius rho
        if (f.name == "adaptive") o.set("rho", 1e-3);
      std::vector<double> g(problem.start.size());
      const auto evaluate = [&] { return problem.f(w.detach().to_vector(), g); };
      for (std::int64_t t = 0; t < kSteps && std::isfinite(evaluate()); ++t) {
        o.step([&] {
          const double f = evaluate();
          const Tensor gradient = tensor(g, vec(n));
          w.set_grad(maximize ? -gradient : gradient);
          return f;
        });
        if (t % 100 == 99 && evaluate() <= problem.goal) break;
      }
      best = std::fmin(best, evaluate());
      if (best <= problem.goal) break;
    }
    EXPECT_LE(best, problem.goal) << problem.name;
  }
}

TEST_P(OptimizerConformance, TreatsTwoGroupsOfOneRuleAsOne) {
  const Pair p = pair(), q = pair();
  Optimizer one = make(p.parameters()), two = make({{"a", q.a}});
  EXPECT_NE(error_of([&] { one.get("lr", one.groups()); }).find("expected one in [0, "),
            std::string::npos);
  if (!GetParam().add_group) return;
  if (one.searches()) {
    EXPECT_NE(error_of([&] {
                GetParam().add_group(two, {{"b", q.b}});
              }).find("a second group"),
              std::string::npos);
    return;
  }
  GetParam().add_group(two, {{"b", q.b}});
  for (int t = 0; t < 5; ++t) {
    descend(one, p);
    descend(two, q);
  }
  EXPECT_EQ(p.values(), q.values());
  const double rate = two.get("lr", 0);
  two.set("lr", 0.625 * rate, 1);
  EXPECT_EQ(two.get("lr", 0), rate);
  EXPECT_EQ(two.get("lr", 1), 0.625 * rate);
}

TEST_P(OptimizerConformance, ReadsSetsSchedulesAndChecksEveryField) {
  const Pair p = pair();
  for (const Field& f : make(p.parameters()).fields()) {
    Optimizer o = make(p.parameters());
    const double before = o.get(f.name);
    const auto expect_refused = [&](double bad) {
      const std::string text = error_of([&] { o.set(f.name, bad); });
      EXPECT_NE(text.find(to_text("got ", f.name, " = ", bad, ", expected ")), std::string::npos)
          << text;
      EXPECT_EQ(o.get(f.name), before) << "a refused value was kept";
    };
    expect_refused(std::nan(""));
    if (f.is_switch) {
      expect_refused(0.5);
      continue;
    }
    expect_refused(f.range.low - 1);
    if (std::isfinite(f.range.high)) expect_refused(f.range.high + 1);
    // Takes two values inside the range. If another setting forbids the first, the test goes on.
    const double width = std::fmin(1, f.range.high - f.range.low);
    const double x = f.range.low + 0.5 * width, y = f.range.low + 0.25 * width;
    try {
      o.set(f.name, x);
    } catch (const ValueError&) {
      EXPECT_EQ(o.get(f.name), before);
      continue;
    }
    EXPECT_EQ(o.get(f.name), x);
    o.set(f.name, ramp(x, y, 2));
    EXPECT_EQ(o.get(f.name), x);
    while (o.steps() == 0) step(o, p.parameters(), {p.a.detach() * 0.1 + 1, Tensor()});
    EXPECT_EQ(o.get(f.name), (x + y) / 2) << f.name << " does not follow its schedule";
  }
  Optimizer o = make(p.parameters());
  EXPECT_NE(error_of([&] { o.set("no_such_field", 1); }).find("no_such_field"), std::string::npos);
}

TEST_P(OptimizerConformance, GoesOnWithTheSameBitsAfterSavingAndLoading) {
  for (const int first : {0, 1, 5, 7}) {
    const Pair p = pair(), q = pair();
    Optimizer o = make(p.parameters()), resumed = make(q.parameters());
    for (int t = 0; t < first; ++t) descend(o, p);
    const State state = o.state_dict();
    {
      const NoGradGuard guard;
      q.a.copy_(p.a);
      q.b.copy_(p.b);
    }
    resumed.load_state_dict(state);
    EXPECT_EQ(resumed.steps(), o.steps());
    for (int t = 0; t < 12; ++t) {
      descend(o, p);
      descend(resumed, q);
    }
    EXPECT_EQ(p.values(), q.values()) << "after " << first << " steps";
  }
}

TEST_P(OptimizerConformance, RefusesAStateThatDoesNotFitAndChangesNothing) {
  const Pair p = pair();
  Optimizer o = make(p.parameters());
  for (int t = 0; t < 5; ++t) descend(o, p);
  const State before = o.state_dict();
  std::vector<State> wrong{{}};
  for (const auto& [key, t] : before) {
    if (key.starts_with("group/")) continue;
    State shaped = before;
    shaped[key] = zeros({7, 7}, kFloat64);
    wrong.push_back(shaped);
  }
  for (const std::string& key :
       {std::string("optimizer/steps"), std::string(before.rbegin()->first)}) {
    State missing = before;
    missing.erase(key);
    if (!key.starts_with("group/") && key.find("/sum/") == std::string::npos)
      wrong.push_back(missing);
  }
  State extra = before;
  extra["other/m/other"] = zeros({3});
  wrong.push_back(extra);
  for (const State& w : wrong)
    EXPECT_NE(error_of([&] { o.load_state_dict(w); }).find("does not fit"), std::string::npos);
  const State after = o.state_dict();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [key, t] : before) EXPECT_EQ(after.at(key).to_vector(), t.to_vector()) << key;
}

TEST_P(OptimizerConformance, GivesTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  std::vector<std::vector<float>> results;
  for (const int n : {1, 2, 7}) {
    set_num_threads(n);
    Generator generator(3);
    const Tensor w = leaf(randn({70, 301}, generator)), v = leaf(randn(vec(17), generator));
    Optimizer o = make({{"w", w}, {"v", v}});
    for (int t = 0; t < 3; ++t)
      step(o, o.parameters(), {sin(w.detach() * (t + 1)), cos(v.detach())});
    results.push_back(cat({w.detach().reshape({-1}), v.detach().reshape({-1})}).to_vector<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(OptimizerConformance, TreatsEveryLayoutAndPositionAlike) {
  // The same numbers as a row-major matrix, as a transposed matrix, as a view with gaps, and one by
  // one. The vectorised part of a loop, the rest, and a loop over one number must agree.
  Generator generator(5);
  const Tensor start = randn({5, 37}, generator), grad = randn({5, 37}, generator);
  const auto run = [&](const Parameters& parameters, const std::vector<Tensor>& grads) {
    Optimizer o = make(parameters);
    for (int t = 0; t < 3; ++t) step(o, parameters, grads);
    return o.elementwise();
  };
  const Tensor row_major = leaf(start);
  const bool exact = run({{"w", row_major}}, {grad});
  const std::vector<float> expected = row_major.to_vector<float>();
  const auto expect_alike = [&](const Tensor& w, const char* layout) {
    const std::vector<float> got = w.to_vector<float>();
    for (std::size_t i = 0; i < got.size(); ++i)
      if (exact)
        ASSERT_EQ(got[i], expected[i]) << layout << ", element " << i;
      else  // sums depend on the order in memory
        ASSERT_NEAR(got[i], expected[i], 1e-4 * (1 + std::fabs(expected[i]))) << layout;
  };
  const Tensor transposed = start.t().contiguous().t().detach().requires_grad_();
  run({{"w", transposed}}, {grad});
  expect_alike(transposed, "transposed");
  const Tensor gaps = zeros({5, 74}).slice(1, 0, kEnd, 2).detach();
  gaps.copy_(start);
  gaps.requires_grad_();
  run({{"w", gaps}}, {grad});
  expect_alike(gaps, "with gaps");
  if (!exact) return;
  Parameters singles;
  std::vector<Tensor> grads;
  for (std::int64_t i = 0; i < 185; ++i) {
    const auto one = [&](const Tensor& t) { return t.reshape({-1}).slice(0, i, i + 1).clone(); };
    singles.push_back({std::to_string(i), leaf(one(start))});
    grads.push_back(one(grad));
  }
  run(singles, grads);
  for (std::size_t i = 0; i < 185; ++i)
    ASSERT_EQ(singles[i].value.item<float>(), expected[i]) << "one by one, element " << i;
}

TEST_P(OptimizerConformance, TakesParametersOfAnySizeAndNoElements) {
  for (const std::int64_t n : {0, 1, 7, 1000, 1000003}) {
    const Tensor w = leaf(full(vec(n), 0.5));
    Optimizer o = make({{"w", w}});
    for (int t = 0; t < 2; ++t) step(o, o.parameters(), {ones(vec(n))});
    const Tensor now = w.detach();
    EXPECT_TRUE(std::isfinite(now.sum().item()));
    if (n > 0 && o.elementwise()) {
      EXPECT_EQ(now.min().item(), now.max().item()) << "elements of " << n << " differ";
    }
  }
}

TEST_P(OptimizerConformance, GivesInFloatWhatItGivesInDouble) {
  const Pair p = pair(), q = pair(kFloat32);
  Optimizer o = make(p.parameters()), single = make(q.parameters());
  for (int t = 0; t < 5; ++t) {
    const Tensor g = cos(arange(0, 10, 1, kFloat64) * (1 + t)) * (1 + 0.1 * t);
    const Tensor ga = g.slice(0, 0, 6).reshape({2, 3}), gb = g.slice(0, 6).reshape(vec(4));
    step(o, p.parameters(), {ga, gb});
    step(single, q.parameters(), {ga.to(kFloat32), gb.to(kFloat32)});
  }
  const std::vector<double> a = p.values(), b = q.values();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-5 * (1 + std::fabs(a[i])));
}

TEST_P(OptimizerConformance, NeverWritesTheGradient) {
  const Pair p = pair();
  Optimizer o = make(p.parameters());
  const Tensor ga = sin(p.a.detach() * 7) * 5, gb = cos(p.b.detach() * 7) * 5;
  const Tensor a = ga.clone(), b = gb.clone();
  for (int i = 0; i < 3; ++i) step(o, p.parameters(), {a, b});
  EXPECT_EQ(a.to_vector(), ga.to_vector());
  EXPECT_EQ(b.to_vector(), gb.to_vector());
  EXPECT_TRUE(p.a.grad().is_same(a));
}

TEST_P(OptimizerConformance, ABadGradientChangesNothing) {
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    const Pair p = pair();
    Optimizer o = make(p.parameters());
    const std::vector<Tensor> good{ones({2, 3}, kFloat64), ones(vec(4), kFloat64)};
    step(o, p.parameters(), good);
    const std::vector<double> before = p.values();
    const Tensor b = ones({4}, kFloat64);
    b[2].fill_(bad);
    const std::int64_t skipped = o.skipped_steps();
    std::string text;
    try {
      step(o, p.parameters(), {good[0], b.reshape(vec(4))});
    } catch (const NonFiniteError& e) {
      text = e.what();
    }
    EXPECT_TRUE(text.find("NaN or infinity") != std::string::npos || o.skipped_steps() > skipped)
        << text;
    EXPECT_EQ(p.values(), before);
    for (int i = 0; i < 3; ++i) step(o, p.parameters(), good);
    for (const double x : p.values()) EXPECT_TRUE(std::isfinite(x)) << "the bad one came back";
    // With the policy `skip`, the step is counted.
    o.set_non_finite(NonFinite::skip);
    const std::int64_t so_far = o.skipped_steps();
    step(o, p.parameters(), {good[0], b.reshape(vec(4))});
    EXPECT_EQ(o.skipped_steps(), so_far + 1);
  }
}

TEST_P(OptimizerConformance, MakesNoNaNFromTinyOrZeroGradients) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor w = leaf(ones(vec(9), dtype));
    Optimizer o = make({{"w", w}});
    const Tensor g =
        tensor({0.0, 1e-30, -1e-30, 1e-38, 1e-40, -1e-44, 1e-8, -1e-8, 1e-20}, kFloat64)
            .to(dtype)
            .reshape(vec(9));
    for (int t = 0; t < 50; ++t) step(o, o.parameters(), {t % 2 == 0 ? g : zeros(vec(9), dtype)});
    for (const double x : w.detach().to_vector()) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST_P(OptimizerConformance, RefusesBadParameters) {
  const Pair p = pair();
  const auto refusal = [&](Parameters all) { return error_of([&] { make(std::move(all)); }); };
  EXPECT_NE(refusal({}).find("got no parameters"), std::string::npos);
  EXPECT_NE(refusal({{"x", p.a}, {"y", p.b}, {"again", p.a}}).find("'again' twice"),
            std::string::npos);
  EXPECT_NE(refusal({{"x", p.a}, {"x", p.b}}).find("'x' twice"), std::string::npos);
  EXPECT_NE(refusal({{"a", p.a * 2}}).find("expected a leaf"), std::string::npos);
}

}  // namespace descent::optim::conformance

/// Runs the suite on subjects, which follow the name that you choose for the tests.
#define DESCENT_CONFORMANCE(Name, ...)                                                 \
  using descent::optim::conformance::OptimizerConformance;                             \
  INSTANTIATE_TEST_SUITE_P(Name, OptimizerConformance, ::testing::Values(__VA_ARGS__), \
                           descent::optim::conformance::name_of)
