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
#include <descent/optim/names/register.h>
#include <descent/optim/rules/adamw.h>
#include <descent/optim/schedule.h>

#include <gtest/gtest.h>
#include <cmath>
#include <functional>
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
inline std::string name_of(const ::testing::TestParamInfo<Subject>& i) { return i.param.name; }
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
  const auto quadratic = [](const V& x, V& g) {
    const double k[] = {1, 3, 10, 30};
    double f = 0;
    for (std::size_t i = 0; i < 4; ++i) f += 0.5 * k[i] * x[i] * x[i], g[i] = k[i] * x[i];
    return f;
  };
  const auto rosenbrock = [](const V& x, V& g) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g = {-2 * a - 400 * x[0] * b, 200 * b};
    return a * a + 100 * b * b;
  };
  const auto beale = [](const V& x, V& g) {
    const double c[] = {1.5, 2.25, 2.625};
    double f = 0, power = 1;
    g = {0, 0};
    for (int i = 0; i < 3; ++i) {
      const double r = c[i] - x[0] * (1 - power * x[1]);
      f += r * r;
      g[0] += 2 * r * (power * x[1] - 1);
      g[1] += 2 * r * x[0] * (i + 1) * power;
      power *= x[1];
    }
    return f;
  };
  const auto logistic = [](const V& x, V& g) {  // 40 points whose classes overlap
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
  };
  return {{"quadratic", {1, 1, 1, 1}, 0.02, quadratic},
          {"Rosenbrock", {-1.2, 1}, 0.1, rosenbrock},
          {"Beale", {2.8, 0.35}, 1e-3, beale},
          {"logistic regression", {0, 0, 0}, 0.55, logistic}};  // the best loss is 0.5463
}

/// The suite, and what its tests share.
class OptimizerConformance : public ::testing::TestWithParam<Subject> {
 protected:
  /// Makes the tested optimizer for parameters p.
  Optimizer make(Parameters p) const { return GetParam().make(std::move(p)); }

  /// Makes the tested optimizer for parameters that start with these values.
  Optimizer start(const std::vector<Tensor>& values) const { return make(leaves(values)); }
  /// The most weights that the tested optimizer takes; 0 for any number.
  std::int64_t most_weights() const { return start({zeros(vec(1))}).most_weights(); }
  /// Parameters that start with these values: "0", "1", ….
  static Parameters leaves(const std::vector<Tensor>& values) {
    Parameters all;
    for (const Tensor& t : values)
      all.push_back({std::to_string(all.size()), t.clone().detach().requires_grad_()});
    return all;
  }

  /// The shape of n numbers: (n), or (1, n) if the optimizer takes only matrices.
  Shape vec(std::int64_t n) const {
    try {
      start({ones({3}, kFloat64)});
      return {n};
    } catch (const ShapeError&) {
      return {1, n};
    }
  }
  /// The values that two parameters start with in most tests: sin(1), …, sin(10), split.
  std::vector<Tensor> pair(DType dtype = kFloat64) const {
    return split(sin(arange(1, 11, 1, kFloat64)).to(dtype));
  }
  /// Ten numbers as two tensors: the first is (2, 3), the second has 4 elements.
  std::vector<Tensor> split(const Tensor& x) const {
    return {x.slice(0, 0, 6).reshape({2, 3}), x.slice(0, 6).reshape(vec(4))};
  }
  /// Each element of x as a tensor of its own.
  std::vector<Tensor> elements(const Tensor& x) const {
    const Shape one = vec(1);
    std::vector<Tensor> all;
    for (std::int64_t i = 0; i < x.numel(); ++i)
      all.push_back(x.reshape({-1}).slice(0, i, i + 1).reshape(one).clone());
    return all;
  }
  /// All parameters as one vector. Autograd records this.
  static Tensor joined(const Optimizer& o) {
    std::vector<Tensor> all;
    for (const Parameter& p : o.parameters()) all.push_back(p.value.reshape({-1}));
    return cat(all);
  }
  /// The values of all parameters.
  static std::vector<double> values(const Optimizer& o) { return joined(o).detach().to_vector(); }
  /// The weights of parameter i, without gradient.
  static Tensor weight(const Optimizer& o, std::size_t i = 0) {
    return o.parameters()[i].value.detach();
  }

  /// Makes a step with these gradients g of the first parameters. The others have no gradient. A
  /// rule of least squares gets the residuals w − w₀ + g, whose loss has this gradient at w₀.
  static void step(Optimizer& o, const std::vector<Tensor>& grads) {
    std::vector<Tensor> goals;
    for (std::size_t i = 0; i < grads.size(); ++i) goals.push_back(weight(o, i) - grads[i]);
    o.step([&] {
      std::vector<Tensor> residuals;
      for (std::size_t i = 0; i < grads.size(); ++i) {
        const Tensor& w = o.parameters()[i].value;
        if (o.takes_residuals())
          residuals.push_back((w - goals[i]).reshape({-1}));
        else
          w.set_grad(grads[i]);
      }
      return o.takes_residuals() ? cat(residuals) : zeros({}, kFloat64);
    });
  }
  /// Makes steps on a bowl with ripples, whose gradient comes from autograd.
  static void descend(Optimizer& o, int steps) {
    for (int t = 0; t < steps; ++t)
      o.step([&] {
        const Tensor w = joined(o);
        if (o.takes_residuals()) return cat({w - 0.3, sin(w * 3) * 0.3});
        const Tensor loss = sum(square(w - 0.3) + sin(w * 3) * 0.3);
        loss.backward();
        return loss;
      });
  }
  /// A rule of least squares must reach the minima of a quadratic, of Rosenbrock's and of Beale's
  /// function.
  void converge_from_residuals() const {
    struct Curve {
      std::vector<double> start, goal;
      std::function<Tensor(const Tensor& w)> residuals;
    };
    const Tensor k = sqrt(tensor({1.0, 3.0, 10.0, 30.0}, kFloat64)), powers = arange(1, 4);
    const Tensor c = tensor({1.5, 2.25, 2.625}, kFloat64);
    const std::vector<Curve> curves{
        {{1, 1, 1, 1}, {0, 0, 0, 0}, [&](const Tensor& w) { return k * w; }},
        {{-1.2, 1},
         {1, 1},
         [](const Tensor& w) {
           return stack({1 - w[0], (w[1] - square(w[0])) * 10});
         }},
        {{2.8, 0.35}, {3, 0.5}, [&](const Tensor& w) {
           return c - w[0] * (1 - pow(w[1], powers));
         }}};
    for (const Curve& curve : curves) {
      Optimizer o = start({tensor(curve.start)});
      for (int t = 0; t < 1000; ++t) o.step([&] { return curve.residuals(joined(o)); });
      for (std::size_t i = 0; i < curve.goal.size(); ++i)
        EXPECT_NEAR(values(o)[i], curve.goal[i], 1e-3) << GetParam().name;
    }
  }
  /// The number of updates of a parameter, read from the state. −1 if the state has none.
  static double updates(const Optimizer& o, const std::string& parameter) {
    for (const auto& [key, t] : o.state_dict())
      if (key.ends_with("/step/" + parameter)) return t.item();
    return -1;
  }
  /// Expects that f throws an Error whose message has this text.
  template <class F>
  static void expect_error(const std::string& text, F f) {
    try {
      f();
      ADD_FAILURE() << "got no error, expected one with '" << text << "'";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos)
          << e.what() << "\nexpected '" << text << "'";
    }
  }
};

TEST_P(OptimizerConformance, SkipsAParameterWithoutAGradientAndUpdatesOneWithZero) {
  Optimizer o = start(pair());
  for (int i = 0; i < 6; ++i) step(o, {weight(o) * 0.1 + 1});
  if (!o.searches()) {  // for L-BFGS a missing gradient counts as 0
    EXPECT_EQ(weight(o, 1).to_vector(), pair()[1].to_vector());
    EXPECT_EQ(updates(o, "1"), 0);
  }
  const double before = updates(o, "1");
  for (int i = 0; i < 6; ++i) step(o, split(zeros({10}, kFloat64)));
  EXPECT_GT(updates(o, "1"), before) << "a zero gradient is a gradient";
  for (const double x : values(o)) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(OptimizerConformance, CountsStepsPerParameterNotPerTensor) {
  // One tensor of ten numbers, and the same numbers as ten tensors, move alike.
  const Tensor ten_numbers = sin(arange(1, 11, 1, kFloat64));
  Optimizer one = start({ten_numbers.reshape(vec(10))}), ten = start(elements(ten_numbers));
  for (int t = 0; t < 4; ++t) {
    const Tensor g = cos(weight(one) * 3 + t);
    step(one, {g});
    step(ten, elements(g));
  }
  for (const Parameter& p : ten.parameters()) EXPECT_EQ(updates(ten, p.name), updates(one, "0"));
  if (!one.elementwise()) return;  // values depend on how weights are divided into parameters
  EXPECT_TRUE(allclose(joined(ten), joined(one), 1e-14, 1e-15));
}

TEST_P(OptimizerConformance, ConvergesAtSomeRate) {
  if (start({zeros(vec(1))}).takes_residuals()) return converge_from_residuals();
  for (const Problem& problem : problems()) {
    const Shape shape = vec(static_cast<std::int64_t>(problem.start.size()));
    double best = kInfinity;
    for (const double rate : {1.0, 0.3, 0.1, 0.03, 0.01, 3.0, 10.0, 3e-3, 1e-3, 3e-4, 1e-4}) {
      Optimizer o = start({tensor(problem.start, shape)});
      const Tensor w = o.parameters()[0].value;
      o.set_non_finite(NonFinite::skip);
      constexpr std::int64_t kSteps = 16000;
      double sign = 1;
      for (const Field& f : o.fields()) {
        if (f.name == "lr") o.set("lr", o.searches() ? Hyper(rate) : Hyper(cosine(rate, kSteps)));
        if (f.name == "maximize" && f.value != 0) sign = -1;
        if (f.name == "adaptive") o.set("rho", 1e-3);  // SAM keeps rho away from a sharp minimum
      }
      std::vector<double> g(problem.start.size());
      const auto evaluate = [&] { return problem.f(w.detach().to_vector(), g); };
      for (std::int64_t t = 0; t < kSteps && std::isfinite(evaluate()); ++t) {
        o.step([&] {
          const double f = evaluate();
          w.set_grad(tensor(g, shape) * sign);
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
  Optimizer one = start(pair()), two = start({pair()[0]});
  expect_error("expected one in [0, ", [&] { one.get("lr", one.groups()); });
  if (!GetParam().add_group) return;
  const auto add = [&] { GetParam().add_group(two, {{"1", leaves(pair())[1].value}}); };
  if (one.searches()) return expect_error("a second group", add);
  add();
  descend(one, 5);
  descend(two, 5);
  EXPECT_EQ(values(one), values(two));
  const double rate = two.get("lr", 0);
  two.set("lr", 0.625 * rate, 1);
  EXPECT_EQ(two.get("lr", 0), rate);
  EXPECT_EQ(two.get("lr", 1), 0.625 * rate);
}

TEST_P(OptimizerConformance, ReadsSetsSchedulesAndChecksEveryField) {
  const Parameters p = leaves(pair());
  for (const Field& f : make(p).fields()) {
    Optimizer o = make(p);
    const double before = o.get(f.name);
    const auto expect_refused = [&](double bad) {
      expect_error(to_text("got ", f.name, " = ", bad, ", expected "), [&] { o.set(f.name, bad); });
      EXPECT_EQ(o.get(f.name), before) << "a refused value was kept";
    };
    expect_refused(std::nan(""));
    expect_refused(f.is_switch ? 0.5 : f.range.low - 1);
    if (f.is_switch) continue;
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
    while (o.steps() == 0) step(o, {weight(o) * 0.1 + 1});
    EXPECT_EQ(o.get(f.name), (x + y) / 2) << f.name << " does not follow its schedule";
  }
  expect_error("no_such_field", [&] { make(p).set("no_such_field", 1); });
}

TEST_P(OptimizerConformance, GoesOnWithTheSameBitsAfterSavingAndLoading) {
  for (const int first : {0, 1, 5, 7}) {
    Optimizer o = start(pair()), resumed = start(pair());
    descend(o, first);
    const State state = o.state_dict();
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
      weight(resumed, i).copy_(weight(o, i));
    resumed.load_state_dict(state);
    EXPECT_EQ(resumed.steps(), o.steps());
    descend(o, 12);
    descend(resumed, 12);
    EXPECT_EQ(values(o), values(resumed)) << "after " << first << " steps";
  }
}

TEST_P(OptimizerConformance, RefusesAStateThatDoesNotFitAndChangesNothing) {
  Optimizer o = start(pair());
  descend(o, 5);
  const State before = o.state_dict();
  std::vector<State> wrong{{}};
  for (const auto& [key, t] : before) {
    if (key.starts_with("group/")) continue;
    wrong.push_back(before);
    wrong.back()[key] = zeros({7, 7}, kFloat64);
  }
  for (const std::string& key : {std::string("optimizer/steps"), before.rbegin()->first}) {
    if (key.starts_with("group/") || key.find("/sum/") != std::string::npos) continue;
    wrong.push_back(before);
    wrong.back().erase(key);
  }
  wrong.push_back(before);
  wrong.back()["other/m/other"] = zeros({3});
  for (const State& w : wrong) expect_error("does not fit", [&] { o.load_state_dict(w); });
  const State after = o.state_dict();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [key, t] : before) EXPECT_EQ(after.at(key).to_vector(), t.to_vector()) << key;
}

TEST_P(OptimizerConformance, GivesTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  std::vector<std::vector<double>> results;
  const bool residuals = start({zeros(vec(1))}).takes_residuals();  // as many as weights
  const std::int64_t rows = residuals ? 1 : most_weights() > 0 ? 3 : 70;
  for (const int n : {1, 2, 7}) {
    set_num_threads(n);
    Generator generator(3);
    const Tensor w = randn({rows, 301}, generator), v = randn(vec(17), generator);
    Optimizer o = start({w, v});
    for (int t = 0; t < 3; ++t) step(o, {sin(weight(o) * (t + 1)), cos(weight(o, 1))});
    results.push_back(values(o));
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(OptimizerConformance, TreatsEveryLayoutAndPositionAlike) {
  // The same numbers as a row-major matrix, as a transposed matrix, as a view with gaps, and one by
  // one. The vectorised part of a loop, the rest, and a loop over one number must agree.
  Generator generator(5);
  const Tensor matrix = randn({5, 37}, generator), grad = randn({5, 37}, generator);
  const auto run = [&](Parameters parameters, const std::vector<Tensor>& grads) {
    Optimizer o = make(std::move(parameters));
    for (int t = 0; t < 3; ++t) step(o, grads);
    return o;
  };
  const Optimizer row_major = run(leaves({matrix}), {grad});
  const std::vector<double> expected = values(row_major);
  const auto expect_alike = [&](const Optimizer& o, const char* layout) {
    const std::vector<double> got = values(o);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (row_major.elementwise())
        ASSERT_EQ(got[i], expected[i]) << layout << ", element " << i;
      else  // sums depend on the order in memory
        ASSERT_NEAR(got[i], expected[i], 1e-4 * (1 + std::fabs(expected[i]))) << layout;
  };
  const Tensor transposed = matrix.t().contiguous().t().detach().requires_grad_();
  expect_alike(run({{"w", transposed}}, {grad}), "transposed");
  const Tensor gaps = zeros({5, 74}).slice(1, 0, kEnd, 2).detach();
  gaps.copy_(matrix).requires_grad_();
  expect_alike(run({{"w", gaps}}, {grad}), "with gaps");
  if (row_major.elementwise())
    expect_alike(run(leaves(elements(matrix)), elements(grad)), "one by one");
}

TEST_P(OptimizerConformance, TakesParametersOfAnySizeAndNoElements) {
  for (const std::int64_t n : {0, 1, 7, 1000, 1000003}) {
    if (most_weights() > 0 && n > most_weights()) continue;
    Optimizer o = start({full(vec(n), 0.5)});
    if (o.takes_residuals() && (n == 0 || n > 100)) continue;  // no residuals, or that many
    for (int t = 0; t < 2; ++t) step(o, {ones(vec(n))});
    const Tensor now = weight(o);
    EXPECT_TRUE(std::isfinite(now.sum().item()));
    if (n == 0 || !o.elementwise()) continue;
    EXPECT_EQ(now.min().item(), now.max().item()) << "elements of " << n << " differ";
  }
}

TEST_P(OptimizerConformance, GivesInFloatWhatItGivesInDouble) {
  Optimizer o = start(pair()), single = start(pair(kFloat32));
  for (int t = 0; t < 5; ++t) {
    const Tensor g = cos(arange(0, 10, 1, kFloat64) * (1 + t)) * (1 + 0.1 * t);
    step(o, split(g));
    step(single, split(g.to(kFloat32)));
  }
  const std::vector<double> a = values(o), b = values(single);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-5 * (1 + std::fabs(a[i])));
}

TEST_P(OptimizerConformance, NeverWritesTheGradient) {
  Optimizer o = start(pair());
  const Tensor a = sin(pair()[0] * 7) * 5, b = cos(pair()[1] * 7) * 5;
  const std::vector<Tensor> grads{a.clone(), b.clone()};
  for (int i = 0; i < 3; ++i) step(o, grads);
  EXPECT_EQ(grads[0].to_vector(), a.to_vector());
  EXPECT_EQ(grads[1].to_vector(), b.to_vector());
  EXPECT_TRUE(o.takes_residuals() || o.parameters()[0].value.grad().is_same(grads[0]));
}

TEST_P(OptimizerConformance, ABadGradientChangesNothing) {
  for (const double number : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    Optimizer o = start(pair());
    const Tensor ten = ones({10}, kFloat64), spoilt = ten.clone();
    spoilt[8].fill_(number);
    const std::vector<Tensor> good = split(ten), bad = split(spoilt);
    step(o, good);
    const std::vector<double> before = values(o);
    const std::int64_t skipped = o.skipped_steps();
    try {
      step(o, bad);
      EXPECT_GT(o.skipped_steps(), skipped);
    } catch (const NonFiniteError& e) {
      EXPECT_NE(std::string(e.what()).find("NaN or infinity"), std::string::npos) << e.what();
    }
    EXPECT_EQ(values(o), before);
    for (int i = 0; i < 3; ++i) step(o, good);
    for (const double x : values(o)) EXPECT_TRUE(std::isfinite(x)) << "the bad one came back";
    // With the policy `skip`, the step is counted.
    o.set_non_finite(NonFinite::skip);
    const std::int64_t so_far = o.skipped_steps();
    step(o, bad);
    EXPECT_EQ(o.skipped_steps(), so_far + 1);
  }
}

TEST_P(OptimizerConformance, MakesNoNaNFromTinyOrZeroGradients) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    Optimizer o = start({ones(vec(9), dtype)});
    const std::vector<double> tiny{0, 1e-30, -1e-30, 1e-38, 1e-40, -1e-44, 1e-8, -1e-8, 1e-20};
    const Tensor g = tensor(tiny, vec(9)).to(dtype);
    for (int t = 0; t < 50; ++t) step(o, {t % 2 == 0 ? g : zeros(vec(9), dtype)});
    for (const double x : values(o)) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST_P(OptimizerConformance, RefusesBadParameters) {
  const Tensor a = leaves(pair())[0].value, b = leaves(pair())[1].value;
  expect_error("got no parameters", [&] { make({}); });
  expect_error("'again' twice", [&] { make({{"x", a}, {"y", b}, {"again", a}}); });
  expect_error("'x' twice", [&] { make({{"x", a}, {"x", b}}); });
  expect_error("expected a leaf", [&] { make({{"a", a * 2}}); });
  if (const std::int64_t most = most_weights(); most > 0)
    expect_error(to_text("expected at most ", most), [&] { start({zeros(vec(most + 1))}); });
}

}  // namespace descent::optim::conformance

/// Runs the suite on subjects, which follow the name that you choose for the tests.
#define DESCENT_CONFORMANCE(Name, ...)                                                 \
  using descent::optim::conformance::OptimizerConformance;                             \
  INSTANTIATE_TEST_SUITE_P(Name, OptimizerConformance, ::testing::Values(__VA_ARGS__), \
                           descent::optim::conformance::name_of)
