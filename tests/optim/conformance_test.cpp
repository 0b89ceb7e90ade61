// Runs the conformance suite (optim/testing/conformance.h) on every optimizer, and tests what
// single optimizers promise.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/allocations.h"
#include "tests/support/errors.h"

#include <descent/core/kernels/eigen.h>
#include <descent/optim/testing/conformance.h>
#include <gtest/gtest.h>
#include <fstream>

namespace descent {
namespace {

using namespace optim;
using optim::conformance::OptimizerConformance;
using testing::has_text;
using testing::message_of;
using testing::Problem;

std::vector<conformance::Subject> subjects() {
  std::vector<conformance::Subject> all;
  for (const auto& [name, description] : testing::all_optimizers()) {
    all.push_back(conformance::subject(description));
    all.back().name = name;
    if (const Entry& e = find_optimizer(Expression::parse(description).text); e.add_group)
      all.back().add_group = [&e](Optimizer& o, Parameters p) { e.add_group(o, std::move(p), {}); };
  }
  // If the description has settings, a second group with the registry's defaults would have another
  // rule. Such subjects test no groups.
  for (conformance::Subject& s : all)
    if (s.name.find('_') != std::string::npos && s.name.find("schedule_free") != 0)
      s.add_group = {};
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, OptimizerConformance, ::testing::ValuesIn(subjects()),
                         conformance::name_of);

// ---- wrapper × rule ----

/// Puts every wrapper around every rule. Either the optimizer works and goes on after saving, or
/// the error names the right order.
TEST(Matrix, OfWrappersAndRules) {
  int worked = 0, refused = 0;
  for (const Entry& w : registry()) {
    if (!w.is_wrapper) continue;
    for (const Entry& r : registry()) {
      if (r.is_wrapper) continue;
      const std::string text = to_text(w.name, "(", r.name, testing::required(w), ")");
      const Shape matrix{2, 2};
      const Problem p(kFloat64, matrix), q(kFloat64, matrix);
      try {
        make(text, p.parameters());
      } catch (const ValueError& e) {
        EXPECT_TRUE(has_text(e.what(), "expected another order: ")) << text;
        ++refused;
        continue;
      }
      Optimizer o = make(text, p.parameters()), resumed = make(text, q.parameters());
      for (int t = 0; t < 7; ++t) p.step(o);
      q.start_at(p);
      resumed.load_state_dict(o.state_dict());
      for (int t = 0; t < 7; ++t) {
        p.step(o);
        q.step(resumed);
      }
      EXPECT_EQ(p.values().to_vector(), q.values().to_vector()) << text;
      for (const double x : p.values().to_vector()) ASSERT_TRUE(std::isfinite(x)) << text;
      // The text of an optimizer must describe the same optimizer.
      EXPECT_EQ(make(o.to_string(), q.parameters()).to_string(), o.to_string());
      ++worked;
    }
  }
  EXPECT_EQ(refused, 8 + 3 * 3) << "gradients around L-BFGS; averages around rules that average";
  EXPECT_GT(worked, 250);
}

TEST(Order, ThatCannotWorkIsRefusedWithTheReason) {
  const Problem p;
  const auto refusal = [&](const char* text) {
    return message_of<ValueError>([&] { make(text, p.parameters()); });
  };
  EXPECT_TRUE(has_text(refusal("sam(clip_norm(sam(sgd), 1))"), "would climb twice"));
  EXPECT_TRUE(has_text(refusal("clip_norm(lbfgs, 1)"), "line search"));
  EXPECT_TRUE(has_text(refusal("ema(schedule_free_adamw)"), "keeps an average itself"));
  EXPECT_TRUE(has_text(refusal("lookahead(ema(sgd))"), "put it outside"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { make("muon", p.parameters()); }),
                       "'b' of shape (4,), expected matrices only"));
}

// ---- descriptions ----

TEST(Description, IsReadAsItIsPrinted) {
  const Problem p;
  const char* text =
      "sam(clip_norm(adamw(lr=warmup(5, cosine(0.001, 500)), weight_decay=0.05), 1.0), rho=0.05)";
  const Optimizer o = make(text, p.parameters());
  EXPECT_EQ(o.get("weight_decay"), 0.05);
  EXPECT_EQ(o.get("max_norm"), 1);
  EXPECT_EQ(o.get("lr"), 0.0002);
  EXPECT_EQ(make(o.to_string(), p.parameters()).to_string(), o.to_string());
  EXPECT_EQ(rule_of(text), "adamw");
}

TEST(Description, ThatIsWrongSaysWhere) {
  const Problem p;
  const auto refusal = [&](const char* text) {
    return message_of<ValueError>([&] { make(text, p.parameters()); });
  };
  EXPECT_TRUE(has_text(refusal("sam(adamw"), "expected ',' or ')' after 'sam(adamw'"));
  EXPECT_TRUE(has_text(refusal(""), "expected a name or a number"));
  EXPECT_TRUE(has_text(refusal("adamx"), "did you mean"));
  EXPECT_TRUE(has_text(refusal("adamw(rate=1)"), "got the setting 'rate'"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=cosin(1, 2))"), "did you mean 'cosine'?"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=cosine(1))"), "expected cosine(value, steps, end)"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=fast)"), "got the value 'fast'"));
  EXPECT_TRUE(has_text(refusal("sam"), "expected one inside"));
  EXPECT_TRUE(has_text(refusal("clip_norm(adamw)"), "max_norm"));
  EXPECT_TRUE(has_text(refusal("adamw(0.1)"), "without a name"));
  EXPECT_TRUE(has_text(refusal("sgd(lr=1, lr=2)"), "got lr twice"));
  EXPECT_TRUE(has_text(refusal("adamw) "), "expected the end"));
  EXPECT_TRUE(has_text(refusal(std::string(5000, '(').c_str()), "expected"));
  EXPECT_TRUE(has_text(refusal(("a" + std::string(300, '(')).c_str()), "expected"));
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "ema(";
  EXPECT_TRUE(has_text(refusal(deep.c_str()), "fewer parentheses"));
}

TEST(Description, OfRandomTextNeverCrashes) {
  const std::string letters = "sam(dw),=:. 1e-9_";
  Generator generator(11);
  const Problem p;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const int n = static_cast<int>(generator.uniform() * 25);
    for (int k = 0; k < n; ++k)
      text += letters[static_cast<std::size_t>(generator.uniform() *
                                               static_cast<double>(letters.size()))];
    try {
      make(text, p.parameters());
    } catch (const Error&) {
    }
  }
}

// ---- single wrappers ----

TEST(Noise, HasTheVarianceItSaysAndComesAgainAfterLoading) {
  const std::int64_t n = 200000;
  const Tensor w = zeros({n}, kFloat64).requires_grad_();
  Optimizer o = noise({{{"w", w}}, SGD{.lr = 1}}, {.eta = 0.04, .gamma = 1});
  const auto step = [&] {
    const Tensor before = w.detach().clone();
    o.step([&] {
      w.set_grad(ones({n}, kFloat64));
      return 0.0;
    });
    return before - w.detach();  // gradient and noise
  };
  for (int t = 0; t < 3; ++t) {
    const Tensor g = step();
    const double variance = 0.04 / (1 + t);
    EXPECT_NEAR(mean(g).item(), 1, 5 * std::sqrt(variance / static_cast<double>(n)));
    EXPECT_NEAR(var(g).item(), variance, 0.02 * variance);
  }
}

TEST(Accumulate, EqualsOneLargeBatch) {
  Generator generator(2);
  const Tensor x = randn({12, 5}, generator, kFloat64), y = randn({12, 1}, generator, kFloat64);
  const Tensor v = randn({5, 1}, generator, kFloat64);
  const Tensor w = v.clone().requires_grad_(), u = v.clone().requires_grad_();
  Optimizer whole({{"w", w}}, AdamW{.lr = 0.1});
  Optimizer parts = accumulate({{{"w", u}}, AdamW{.lr = 0.1}}, 3);
  const auto loss = [](const Tensor& a, const Tensor& b, const Tensor& c) {
    const Tensor l = mean(square(matmul(a, c) - b));
    l.backward();
    return l;
  };
  for (int t = 0; t < 4; ++t) {
    whole.step([&] { return loss(x, y, w); });
    for (int k = 0; k < 3; ++k) {
      const std::vector<double> before = u.to_vector();
      parts.step(
          [&] { return loss(x.slice(0, 4 * k, 4 * k + 4), y.slice(0, 4 * k, 4 * k + 4), u); });
      if (k < 2) {
        EXPECT_EQ(u.to_vector(), before);
      }
    }
    EXPECT_TRUE(allclose(w, u, 1e-12, 1e-14));
  }
  EXPECT_EQ(parts.steps(), 4);
  EXPECT_EQ(parts.gradient_evaluations(), 12);
}

TEST(Sophia, EstimatesTheDiagonalOfAHessianThatIsNotDiagonal) {
  // f = ½ wᵀAw. For random signs u, the mean of u ⊙ Au is diag A. The elements off the diagonal add
  // noise.
  const Tensor a = tensor({{4.0, 0.5}, {0.5, 1.0}}, kFloat64);
  const Tensor w = tensor({{1.0}, {1.0}}, kFloat64).requires_grad_();
  Optimizer o({{"w", w}}, Sophia{.lr = 0, .beta2 = 0.99, .every = 1});
  for (int t = 0; t < 2000; ++t)
    o.step([&] {
      const Tensor loss = sum(w * matmul(a, w)) * 0.5;
      loss.backward();
      return loss;
    });
  const std::vector<double> h = o.state_dict().at("sophia/h/w").to_vector();
  EXPECT_NEAR(h[0], 4, 0.2);
  EXPECT_NEAR(h[1], 1, 0.2);
  EXPECT_EQ(o.gradient_evaluations(), 4000);
  EXPECT_FALSE(w.grad().requires_grad());
}

TEST(Lbfgs, SolvesRosenbrockAndSurvivesLossesThatAreNotFinite) {
  const Tensor w = tensor({-1.2, 1.0}, kFloat64).requires_grad_();
  Optimizer o({{"w", w}}, LBFGS{.tolerance_grad = 1e-12, .tolerance_change = 1e-16});
  const auto rosenbrock = [&] {
    const Tensor x = w[0], y = w[1];
    const Tensor l = square(1 - x) + square(y - square(x)) * 100;
    l.backward();
    return l;
  };
  for (int i = 0; i < 5; ++i) o.step(rosenbrock);
  EXPECT_TRUE(allclose(w, ones({2}, kFloat64), 1e-8, 1e-8)) << w;
  // The first long step leads to v <= 0, where log v is NaN.
  const Tensor v = tensor({0.1}, kFloat64).requires_grad_();
  Optimizer p({{"v", v}}, LBFGS{.lr = 100});
  for (int i = 0; i < 5; ++i)
    p.step([&] {
      const Tensor l = sum(v - log(v));
      l.backward();
      return l;
    });
  EXPECT_NEAR(v.item(), 1, 1e-4);
}

TEST(Muon, MakesItsUpdateNearlyOrthogonal) {
  Generator generator(4);
  const Tensor w = zeros({6, 4}, kFloat64).requires_grad_();
  Optimizer o({{"w", w}}, Muon{.lr = 1});
  o.step([&] {
    w.set_grad(randn({6, 4}, generator, kFloat64));
    return 0.0;
  });
  const Tensor x = w.detach() / std::sqrt(1.5);
  for (const double square : kernel::eigh(matmul(x.t(), x)).values.to_vector()) {
    EXPECT_GT(square, 0.4);  // the square of a singular value
    EXPECT_LT(square, 1.6);
  }
  nn::Sequential model(nn::Linear(8, 16), nn::ReLU(), nn::Linear(16, 16), nn::ReLU(),
                       nn::Linear(16, 3));
  const auto [hidden, other] = split_for_muon(model.parameters());
  ASSERT_EQ(hidden.size(), 1u);
  EXPECT_EQ(hidden[0].name, "2.weight");
  EXPECT_EQ(other.size(), 5u);
  EXPECT_EQ(split_for_muon(model.parameters(), true).muon.size(), 3u);
}

TEST(OwnAverage, IsExchangedAndNotSavedMeanwhile) {
  for (const char* rule :
       {"schedule_free_adamw(lr=0.05)", "schedule_free_sgd(lr=0.05)", "asgd(lr=0.01, t0=0)"}) {
    const Problem p;
    Optimizer o = make(rule, p.parameters());
    for (int t = 0; t < 10; ++t) p.step(o);
    const std::vector<double> training = p.values().to_vector();
    {
      const AverageGuard guard(o);
      EXPECT_NE(p.values().to_vector(), training);
      EXPECT_TRUE(has_text(message_of<StateError>([&] { o.state_dict(); }), "exchanged"));
      EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }), "exchanged"));
    }
    EXPECT_EQ(p.values().to_vector(), training);
  }
}

// ---- what was wrong in earlier versions ----

TEST(Adafactor, StaysFiniteInFloatWhereGradientsAreZeroTinyOrHuge) {
  for (const double size : {0.0, 1e-12, 1e-5, 1e20}) {
    const Tensor w = ones({3, 2}).requires_grad_();
    Optimizer o({{"w", w}}, Adafactor{});
    const Tensor g = tensor({{0.0, 0.0}, {1.0, -2.0}, {0.5, 1.0}}).to(kFloat32) * size;
    for (int t = 0; t < 5; ++t)
      o.step([&] {
        w.set_grad(g);
        return 0.0;
      });
    for (const double x : w.to_vector()) EXPECT_TRUE(std::isfinite(x)) << size;
  }
}

/// Makes one step of SGD with rate 1 from w, with the gradient g. Returns what the step subtracted
/// from w.
template <class Wrap>
std::vector<double> subtracted(const Wrap& wrap, const Tensor& w, const Tensor& g) {
  const Tensor x = w.clone().requires_grad_();
  Optimizer o = wrap(Optimizer({{"x", x}}, SGD{.lr = 1}));
  x.set_grad(g);
  o.step();
  return (w - x.detach()).to_vector();
}

TEST(Clipping, HoldsWhereTheSquaresOfGradientsOverflowOrUnderflow) {
  for (const double size : {1.0, 1e200, 1e-200}) {
    const Tensor g = tensor({3.0, -4.0}, kFloat64) * size;
    const double most = size == 1e-200 ? 1e-200 : 1;
    for (const auto& clip : {clip_norm, clip_norm_per_parameter}) {
      const auto used = subtracted([&](Optimizer o) { return clip(std::move(o), most); },
                                   zeros({2}, kFloat64), g);
      EXPECT_NEAR(used[0] / most, 0.6, 1e-15) << size;
      EXPECT_NEAR(used[1] / most, -0.8, 1e-15) << size;
    }
    const Tensor a = zeros({1}, kFloat64).requires_grad_(), b = a.clone().detach();
    b.requires_grad_();
    a.set_grad(g.slice(0, 0, 1).clone());
    b.set_grad(g.slice(0, 1).clone());
    EXPECT_NEAR(clip_grad_norm_({{"a", a}, {"b", b}}, most) / size, 5, 1e-14);
    EXPECT_NEAR(a.grad().item() / most, 0.6, 1e-15);
  }
}

TEST(Clipping, OfUnitsHoldsWhereTheSquaresOverflow) {
  const auto clip = [](Optimizer o) { return agc(std::move(o), {.clip = 0.1}); };
  for (const DType type : {kFloat32, kFloat64}) {
    const double huge = type == kFloat32 ? 1e25 : 1e200;
    const Tensor w = tensor({{3.0, 4.0}, {3.0, 4.0}}, type);
    const Tensor g = tensor({{-3 * huge, 4 * huge}, {0.03, 0.04}}, type);
    const auto used = subtracted(clip, w, g);
    const double expected[] = {-0.3, 0.4, 0.03, 0.04};
    // The weights have the size 4 and are rounded to their last place. Their difference therefore
    // has an error of about this size.
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(used[i], expected[i], type == kFloat32 ? 5e-7 : 1e-15) << i;
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { subtracted(clip, w, g / 0.0); }),
                         "the gradient of 'x'"));
  }
}

TEST(Sam, ClimbsAlsoGradientsWhoseSquaresOverflow) {
  const Tensor w = zeros({2}, kFloat64).requires_grad_();
  Optimizer o = sam({{{"w", w}}, SGD{.lr = 0}}, {.rho = 1});
  std::vector<double> at;
  o.step([&] {
    at = w.to_vector();
    w.set_grad(tensor({3e200, -4e200}, kFloat64));
    return 0.0;
  });
  EXPECT_NEAR(at[0], 0.6, 1e-15);
  EXPECT_NEAR(at[1], -0.8, 1e-15);
}

TEST(Schedules, OfWrappersAreCheckedAtEachStep) {
  for (const char* text : {"swa(sgd, every=ramp(3, 0, 3))", "clip_norm(sgd, ramp(1, -1, 2))",
                           "clip_value(sgd, ramp(1, -1, 2))", "sam(sgd, rho=ramp(0.1, -0.1, 2))",
                           "ema(sgd, ramp(0.5, 2, 2))", "noise(sgd, eta=ramp(0.1, -0.1, 2))",
                           "sophia(every=ramp(3, 0, 3))"}) {
    const Problem p;
    Optimizer o = make(text, p.parameters());
    EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                           for (int t = 0; t < 5; ++t) p.step(o);
                         }),
                         "from its schedule at step"))
        << text;
    for (const double x : p.values().to_vector()) EXPECT_TRUE(std::isfinite(x));
  }
}

TEST(Prodigy, SharesOneEstimateWithParametersThatComeLate) {
  const Problem p;
  Optimizer o(p.parameters(), Prodigy{.d0 = 1e-3});
  const auto step = [&](bool both) {
    o.step([&] {
      const Tensor l = p.loss();
      l.backward();
      if (!both) p.b.set_grad(Tensor());
      return l;
    });
  };
  for (int t = 0; t < 20; ++t) step(false);
  step(true);
  const State state = o.state_dict();
  EXPECT_EQ(state.at("prodigy/d/a").item(), state.at("prodigy/d/b").item());
  EXPECT_GT(state.at("prodigy/d/b").item(), 0.01);
}

TEST(Prodigy, FindsTheSameInAnyOrderOfGroups) {
  const auto run = [](bool still_first, double slow) {
    const Problem p;
    const Prodigy still{.lr = slow, .d0 = 1e-3}, moving{.d0 = 1e-3};
    Optimizer o = still_first ? Optimizer({{"a", p.a}}, still) : Optimizer({{"b", p.b}}, moving);
    if (still_first)
      o.add_group({{"b", p.b}}, moving);
    else
      o.add_group({{"a", p.a}}, still);
    for (int t = 0; t < 40; ++t)
      o.step([&] {
        const Tensor l = p.loss();
        l.backward();
        return l;
      });
    return std::pair{p.values().to_vector(), o.state_dict().at("prodigy/d/b").item()};
  };
  for (const double slow : {0.0, 0.5}) {
    const auto [first, d] = run(true, slow);
    const auto [second, other_d] = run(false, slow);
    EXPECT_GT(d, 0.01);
    EXPECT_NEAR(d, other_d, 1e-12 * d);
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(first[i], second[i], 1e-10);
  }
}

TEST(Magnitudes, OfGradientsDoNotStopARule) {
  // These steps depend only on the direction of the gradient, as long as the square of the gradient
  // is in range.
  const auto moved = [](const char* rule, double size, DType dtype) {
    const Tensor w = ones({4, 4}, dtype).requires_grad_();
    Optimizer o = make(rule, {{"w", w}});
    for (int t = 0; t < 3; ++t) {
      w.set_grad(full({4, 4}, size, dtype));
      o.step();
    }
    return 1 - w.detach().flatten()[0].item();
  };
  for (const char* rule : {"adadelta", "adafactor(lr=0.1)"}) {
    EXPECT_NEAR(moved(rule, 1e17, kFloat32), moved(rule, 1e17, kFloat64), 1e-6) << rule;
    EXPECT_NEAR(moved(rule, 1e100, kFloat64), moved(rule, 1e17, kFloat64), 1e-6) << rule;
    EXPECT_NE(moved(rule, 1e17, kFloat32), 0) << rule;
  }
}

/// How far three steps move a matrix and a vector whose gradients are near `size`.
std::vector<double> moves(const std::string& description, double size, DType dtype) {
  Generator generator(11);
  Parameters all;
  for (const Shape& shape : {Shape{4, 3}, Shape{5}})
    if (shape.rank() == 2 || description != "muon")
      all.push_back({to_text("w", all.size()), randn(shape, generator).to(dtype).requires_grad_()});
  const auto values = [&] {
    std::vector<Tensor> parts;
    for (const Parameter& p : all) parts.push_back(p.value.detach().reshape({-1}));
    return cat(parts).to(kFloat64);
  };
  const Tensor before = values();
  std::vector<Tensor> slopes;
  for (const Parameter& p : all)
    slopes.push_back((randn(p.value.shape(), generator).to(dtype) * size).detach());
  Optimizer o = make(description, all);
  for (int t = 0; t < 3; ++t)
    o.step([&] {
      Tensor loss = zeros({}, dtype);
      for (std::size_t i = 0; i < all.size(); ++i) loss = loss + sum(all[i].value * slopes[i]);
      loss.backward();
      return loss;
    });
  return (values() - before).to_vector();
}

TEST(Magnitudes, ARuleWorksOnFloatsAsOnDoubles) {
  // These keep squares of gradients, as floats; see "How large a gradient may be" in the README.
  const auto squares = [](const std::string& name) {
    for (const char* rule : {"adagrad", "rmsprop", "adadelta", "adan", "soap", "adafactor"})
      if (name.starts_with(rule)) return true;
    return name == "other_wrappers";  // around rmsprop
  };
  for (const auto& [name, description] : testing::all_optimizers())
    for (const double size : {1e20, 1e-25}) {
      // The losses of the line search overflow, not its norms.
      if (name.starts_with("lbfgs") && size > 1) continue;
      const std::vector<double> found = moves(description, size, kFloat32),
                                exact = moves(description, size, kFloat64);
      double most = 0;
      for (const double x : exact) most = std::max(most, std::fabs(x));
      for (std::size_t i = 0; i < found.size(); ++i)
        if (size > 1 && squares(name))
          EXPECT_TRUE(std::isfinite(found[i])) << name << " at " << size;
        else
          EXPECT_NEAR(found[i], exact[i], 1e-5 * most + 5e-7) << name << " at " << size;
    }
}

TEST(Magnitudes, ClippingKeepsARuleInRange) {
  for (const char* clip : {"clip_norm", "clip_norm_per_parameter", "clip_value", "agc"})
    for (const char* rule : {"adagrad", "rmsprop", "adadelta", "adan", "adamw", "adafactor"}) {
      const std::string description =
          to_text(clip, "(", rule, std::string_view(clip) == "agc" ? ")" : ", 1)");
      const std::vector<double> found = moves(description, 1e30, kFloat32),
                                exact = moves(description, 1e30, kFloat64);
      double most = 0;
      for (const double x : exact) most = std::max(most, std::fabs(x));
      EXPECT_GT(most, 0) << description;
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], exact[i], 1e-4 * most + 5e-7) << description;
    }
}

TEST(Accumulate, TakesCurvatureOfAParameterThatMissesTheLastBatch) {
  const Problem p;
  Optimizer o = accumulate({p.parameters(), Sophia{}}, 2);
  for (int t = 0; t < 6; ++t)
    o.step([&] {
      const Tensor l = p.loss();
      l.backward();
      if (t % 2 == 1) p.b.set_grad(Tensor());
      return l;
    });
  for (const double x : p.values().to_vector()) EXPECT_TRUE(std::isfinite(x));
}

TEST(Lbfgs, IsAsBeforeWhenTheClosureThrows) {
  const Problem p, q;
  Optimizer a(p.parameters(), LBFGS{.max_iter = 3}), b(q.parameters(), LBFGS{.max_iter = 3});
  p.step(a);
  q.step(b);
  int calls = 0;
  EXPECT_THROW(a.step([&] {
    const Tensor l = p.loss();
    l.backward();
    if (++calls == 3) throw std::runtime_error("closure");
    return l;
  }),
               std::runtime_error);
  EXPECT_EQ(p.values().to_vector(), q.values().to_vector());
  for (int t = 0; t < 3; ++t) {
    p.step(a);
    q.step(b);
  }
  EXPECT_EQ(p.values().to_vector(), q.values().to_vector());
}

TEST(Lookahead, LoadsItsStateWhenTheFirstStepWasSkipped) {
  const Problem p;
  Optimizer o = make("skip_non_finite(accumulate(lookahead(sgd), 2))", p.parameters());
  o.step([&] {
    p.a.set_grad(full({2, 3}, NAN, kFloat64));
    return 0.0;
  });
  EXPECT_NO_THROW(o.load_state_dict(o.state_dict()));
}

// ---- tracing, stopping ----

TEST(Tracer, TellsWhatAStepDid) {
  const Tensor w = tensor({3.0, 4.0}, kFloat64).requires_grad_();
  Optimizer o = clip_norm({{{"w", w}}, SGD{.lr = 0.5}}, 1);
  std::vector<TraceRow> rows;
  o.set_tracer([&](const TraceRow& r) { rows.push_back(r); });
  const auto step = [&](double a, double b) {
    o.step([&] {
      w.set_grad(tensor({a, b}, kFloat64));
      return 0.0;
    });
  };
  step(0, 10);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].parameter, "w");
  EXPECT_EQ(rows[0].gradient_norm, 10);
  EXPECT_NEAR(rows[0].used_norm, 1, 1e-15);
  EXPECT_EQ(rows[0].weight_norm, 5);
  EXPECT_NEAR(rows[0].update_norm, 0.5, 1e-15);
  EXPECT_NEAR(rows[0].ratio, 0.1, 1e-15);
  EXPECT_NEAR(rows[0].effective_rate, 0.5, 1e-15);
  EXPECT_TRUE(rows[0].clipped);
  EXPECT_EQ(rows[0].non_finite, -1);
  EXPECT_THROW(step(0, NAN), NonFiniteError);
  ASSERT_EQ(rows.size(), 2u);
  // A tracer may remove itself.
  EXPECT_EQ(rows[1].non_finite, 1);
  EXPECT_EQ(rows[1].update_norm, 0);
  o.set_tracer([&](const TraceRow& r) {
    o.set_tracer({});
    rows.push_back(r);
  });
  step(0, 1);
  step(0, 1);
  EXPECT_EQ(rows.size(), 3u);
}

TEST(Tracer, TakesTheGradientThatALineSearchBeganWith) {
  const Problem p;
  Optimizer o(p.parameters(), LBFGS{});
  std::vector<TraceRow> rows;
  o.set_tracer([&](const TraceRow& r) { rows.push_back(r); });
  const auto loss = [&] {
    const Tensor l = p.loss();
    l.backward();
    return l;
  };
  loss();
  const double first = norm(p.a.grad()).item();
  o.step(loss);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NEAR(rows[0].gradient_norm, first, 1e-12 * first);
  EXPECT_EQ(rows[0].used_norm, rows[0].gradient_norm);
  EXPECT_FALSE(rows[0].clipped);
  EXPECT_NEAR(rows[0].effective_rate, rows[0].update_norm / first, 1e-12);
}

TEST(Tracer, WritesACsv) {
  const std::string path = ::testing::TempDir() + "descent_trace.csv";
  const Problem p;
  Optimizer o(p.parameters(), AdamW{});
  o.set_tracer(csv_tracer(path));
  for (int t = 0; t < 3; ++t) p.step(o);
  std::ifstream in(path);
  std::string line;
  int lines = 0;
  while (std::getline(in, line)) {
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 9) << line;
    ++lines;
  }
  EXPECT_EQ(lines, 7);
  EXPECT_TRUE(has_text(message_of<FileError>([] { csv_tracer("/no/such/folder/x.csv"); }),
                       "/no/such/folder/x.csv"));
}

TEST(EarlyStopping, StopsAndPutsTheBestBack) {
  nn::Linear model(2, 1);
  EarlyStopping stopping({.patience = 1});
  EXPECT_TRUE(has_text(message_of<StateError>([&] { stopping.restore(model); }), "no epoch"));
  const NoGradGuard guard;
  const Tensor w = model.parameters()[0].value;
  const auto epoch = [&](double metric, double weight) {
    w.fill_(weight);
    return stopping.step(metric, model);
  };
  EXPECT_FALSE(epoch(3, 1));
  EXPECT_FALSE(epoch(1, 2));
  EXPECT_FALSE(epoch(NAN, 3));
  EarlyStopping resumed({.patience = 1});
  resumed.load_state_dict(stopping.state_dict());
  EXPECT_TRUE(epoch(1, 4));
  stopping.restore(model);
  EXPECT_EQ(w.to_vector(), std::vector<double>({2, 2}));
  EXPECT_EQ(stopping.best_epoch(), 1);
  EXPECT_TRUE(resumed.step(2, model));
  w.fill_(9);
  resumed.restore(model);
  EXPECT_EQ(w.to_vector(), std::vector<double>({2, 2}));
}

TEST(SteadyState, AllocatesNothing) {
  for (const auto& [name, description] : testing::all_optimizers()) {
    const Tensor w = ones({300, 40}).requires_grad_(), b = ones({1, 40}).requires_grad_();
    const Tensor gw = full({300, 40}, 0.1), gb = full({1, 40}, 0.1);
    Optimizer o = make(description, {{"w", w}, {"b", b}});
    // Rules of whole tensors, searches and curvature make lists in every step.
    if (!o.elementwise() || o.needs_closure() || name == "other_wrappers") continue;
    const auto step = [&] {
      o.step([&] {
        w.set_grad(gw);
        b.set_grad(gb);
        return 0.0;
      });
    };
    for (int i = 0; i < 6; ++i) step();
    const testing::CountAllocations count;
    for (int i = 0; i < 20; ++i) step();
    EXPECT_EQ(count.so_far(), 0) << name;
  }
}

}  // namespace
}  // namespace descent
