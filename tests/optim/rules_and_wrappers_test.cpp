// What single rules and wrappers promise.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"

#include <descent/core/kernels/linalg.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

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

/// The loss of Rosenbrock's function at w (2), with its gradient.
Tensor rosenbrock(const Tensor& w) {
  const Tensor l = square(1 - w[0]) + square(w[1] - square(w[0])) * 100;
  l.backward();
  return l;
}

TEST(LineRules, SolveRosenbrock) {
  for (const char* rule : {"bfgs", "ssbfgs", "ssbroyden", "cg", "cg(fletcher_reeves=true)",
                           "cg(hestenes_stiefel=true)"}) {
    for (const DType dtype : {kFloat64, kFloat32}) {
      const Tensor w = tensor({-1.2, 1.0}, dtype).requires_grad_();
      Optimizer o =
          make(to_text(std::string(rule).find('(') == std::string::npos
                           ? to_text(rule, "(")
                           : std::string(rule).substr(0, std::string(rule).size() - 1) + ", ",
                       "tolerance_grad=1e-12, tolerance_change=1e-16)"),
               {{"w", w}});
      for (int i = 0; i < 15; ++i) o.step([&] { return rosenbrock(w); });
      const double near = dtype == kFloat64 ? 1e-8 : 1e-3;
      EXPECT_TRUE(allclose(w, ones({2}, dtype), near, near))
          << rule << " of " << dtype << ": " << w;
    }
  }
}

TEST(LineRules, RefuseTwoFormulasOfBeta) {
  const Tensor w = ones({2}).requires_grad_();
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         make("cg(fletcher_reeves=true, hestenes_stiefel=true)", {{"w", w}});
                       }),
                       "[cg] got fletcher_reeves and hestenes_stiefel, expected one of them"));
}

TEST(LineRules, StayWhereNothingIsLowerAndSurviveLossesThatAreNotFinite) {
  for (const char* rule : {"bfgs", "ssbfgs", "ssbroyden", "cg"}) {
    // A gradient that lies about the loss: no search finds anything lower.
    const Tensor w = tensor({3.0, -2.0}, kFloat64).requires_grad_();
    Optimizer o = make(rule, {{"w", w}});
    for (int i = 0; i < 3; ++i)
      o.step([&] {
        const Tensor l = -sum(square(w));
        l.backward();
        w.set_grad(-w.grad());
        return l;
      });
    EXPECT_EQ(w.to_vector(), (std::vector<double>{3, -2})) << rule;
    // The first long step leads to v <= 0, where log v is NaN.
    const Tensor v = tensor({0.1, 5.0}, kFloat64).requires_grad_();
    Optimizer p = make(to_text(rule, "(lr=100)"), {{"v", v}});
    for (int i = 0; i < 5; ++i)
      p.step([&] {
        const Tensor l = sum(v - log(v));
        l.backward();
        return l;
      });
    EXPECT_TRUE(allclose(v, ones({2}, kFloat64), 1e-5, 1e-5)) << rule << ": " << v;
  }
}

TEST(LineRules, EndAtAQuadraticsMinimum) {
  Generator generator(21);
  const Tensor b = randn({6, 6}, generator, kFloat64), h = matmul(b, b.t()) + eye(6, 6, kFloat64);
  const Tensor c = randn({6}, generator, kFloat64);
  for (const char* rule : {"bfgs", "ssbfgs", "ssbroyden", "cg"}) {
    const Tensor w = zeros({6}, kFloat64).requires_grad_();
    Optimizer o =
        make(to_text(rule, "(max_iter=40, tolerance_grad=1e-13, tolerance_change=0)"), {{"w", w}});
    o.step([&] {
      const Tensor d = (w - c).unsqueeze(1), l = (matmul(d.t(), matmul(h, d)) * 0.5).squeeze();
      l.backward();
      return l;
    });
    EXPECT_TRUE(allclose(w, c, 1e-9, 1e-9)) << rule << ": " << w;
  }
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

TEST(CmaEs, RefusesAPopulationOfOneAndNeedsNoGradient) {
  const Problem p;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { make("cmaes(population=1)", p.parameters()); }),
                       "[cmaes] got population = 1, expected 0, for"));
  Optimizer o = make("cmaes(sigma=0.5)", p.parameters());
  const double before = p.loss().item();
  for (int t = 0; t < 100; ++t) o.step([&] { return p.loss(); });
  EXPECT_LT(p.loss().item(), before - 5);
}

TEST(CmaEs, LeavesFrozenParametersAloneAndSaysIfNoLossIsFinite) {
  const Problem p;
  p.b.requires_grad_(false);
  const std::vector<double> before = p.b.to_vector();
  Optimizer o = make("cmaes", p.parameters());
  for (int t = 0; t < 3; ++t) o.step([&] { return p.loss(); });
  EXPECT_EQ(p.b.to_vector(), before);
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { o.step([] { return NAN; }); }),
                       "losses that are all NaN or infinite"));
}

TEST(RulesByTheLoss, RefuseALossThatIsNotFinite) {
  for (const char* rule : {"polyak", "momo", "armijo_sgd", "newton_cg"}) {
    const Problem p;
    Optimizer o = make(rule, p.parameters());
    const std::vector<double> before = p.values().to_vector();
    const auto step = [&](double loss, double slope) {
      o.step([&] {
        p.a.set_grad(full({2, 3}, slope, kFloat64));
        return loss;
      });
    };
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { step(NAN, 1); }), "infinity in the loss"))
        << rule;
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { step(1, 1e200); }),
                         "infinity in the squares of the gradients"))
        << rule;
    EXPECT_EQ(p.values().to_vector(), before) << rule;
  }
}

/// A parameter whose first gradient comes late counts from the weights that it has then.
TEST(RulesWithoutARate, TakeAParameterThatComesLate) {
  for (const char* rule : {"dog", "dowg", "dadapt_sgd"}) {
    const Tensor a = full({1}, 50, kFloat64).requires_grad_(),
                 b = full({1}, 1000, kFloat64).requires_grad_();
    std::vector<double> ends;
    for (const bool with_b : {false, true}) {
      a.detach().fill_(50);
      Optimizer o = make(rule, with_b ? Parameters{{"b", b}, {"a", a}} : Parameters{{"a", a}});
      for (int t = 0; t < 40; ++t)
        o.step([&] {
          Tensor loss = sum(square(a - 1));
          if (with_b && t >= 5) loss = loss + sum(b) * 1e-9;
          loss.backward();
          return loss;
        });
      ends.push_back(a.item());
    }
    EXPECT_NEAR(b.item(), 1000, 1) << rule;
    EXPECT_NEAR(ends[0], ends[1], 1e-3) << rule;
  }
}

/// Each parameter counts its own steps. What they share must not take one parameter's count for
/// all.
TEST(Rules, DoNotDependOnTheOrderOfParametersIfOneComesLate) {
  for (const testing::Described& one : testing::all_optimizers()) {
    // Random numbers go by the order.
    if (testing::searches(one.description) || one.description.find("noise") != std::string::npos ||
        one.description.find("sophia") != std::string::npos)
      continue;
    std::vector<std::vector<double>> ends;
    for (const bool turned : {false, true}) {
      const Tensor a = tensor({{1.0, 2.0}, {0.5, -1.0}}, kFloat64).requires_grad_(),
                   b = tensor({{2.0, -0.5}, {1.0, 3.0}}, kFloat64).requires_grad_();
      Optimizer o = make(one.description,
                         turned ? Parameters{{"b", b}, {"a", a}} : Parameters{{"a", a}, {"b", b}});
      for (int t = 0; t < 30; ++t)
        o.step([&] {
          Tensor loss = sum(square(a - 3.0));
          if (t >= 5) loss = loss + sum(square(b + 0.1));
          loss.backward();
          return loss;
        });
      ends.push_back(cat({a.detach(), b.detach()}).to_vector());
    }
    for (std::size_t i = 0; i < ends[0].size(); ++i)
      EXPECT_NEAR(ends[0][i], ends[1][i], 1e-10) << one.description;
  }
}

TEST(Searches, SayWhyTheyEnded) {
  const auto ended = [](const std::string& text, auto loss_of) {
    const Tensor w = tensor({3.0, -2.0}, kFloat64).requires_grad_();
    Optimizer o = make(text, {{"w", w}});
    EXPECT_EQ(o.ended(), "");
    o.step([&] {
      const Tensor loss = loss_of(w);
      loss.backward();
      return loss;
    });
    return std::string(o.ended());
  };
  const auto bowl = [](const Tensor& w) { return sum(square(w)); };
  for (const char* rule : {"lbfgs", "bfgs", "ssbroyden", "cg"}) {
    EXPECT_EQ(ended(rule, bowl), "tolerance_grad") << rule;
    EXPECT_EQ(ended(to_text(rule, "(max_iter=1)"), [](const Tensor& w) { return sum(pow(w, 4)); }),
              "max_iter")
        << rule;
    EXPECT_EQ(ended(to_text(rule, "(max_iter=90, max_eval=2)"),
                    [](const Tensor& w) { return sum(pow(w, 4)); }),
              "max_eval")
        << rule;
    EXPECT_EQ(ended(to_text(rule, "(tolerance_grad=0, tolerance_change=0.1)"),
                    [](const Tensor& w) { return sum(pow(w, 4)); }),
              "tolerance_change")
        << rule;
  }
  for (const char* rule : {"lbfgs", "bfgs", "cg"})  // a gradient that leads uphill
    EXPECT_EQ(ended(rule, [](const Tensor& w) { return sum(w.detach() * 2 - w); }),
              "no lower point")
        << rule;
  EXPECT_EQ(ended("adam", bowl), "");
}

TEST(MoMo, LeavesParametersWithoutAGradientAlone) {
  const Tensor a = full({2}, 3.0, kFloat64).requires_grad_(),
               unused = full({2}, 2.0, kFloat64).requires_grad_();
  Optimizer o = make("momo(lr=0.1, weight_decay=0.5)", {{"unused", unused}, {"a", a}});
  for (int t = 0; t < 40; ++t)
    o.step([&] {
      const Tensor loss = sum(square(a));
      loss.backward();
      return loss;
    });
  EXPECT_EQ(unused.to_vector(), std::vector<double>(2, 2.0));
  EXPECT_LT(a.to_vector()[0], 1);
}

TEST(Mechanic, LeavesParametersWithoutAGradientAlone) {
  const Problem p;
  Optimizer o = make("mechanic(sgd(lr=0.01), s_init=0.1)", p.parameters());
  p.step(o);
  p.step(o);
  const std::vector<double> before = p.b.to_vector();
  for (int t = 0; t < 3; ++t)
    o.step([&] {
      const Tensor loss = sum(square(p.a));
      loss.backward();
      return loss;
    });
  EXPECT_EQ(p.b.to_vector(), before);
}

TEST(Shampoo, SaysIfGradientsAreTooLargeToBeSummed) {
  for (const Shape& shape : {Shape{2, 3}, Shape{4}}) {
    const Tensor w = ones(shape).requires_grad_();
    Optimizer o = make("shampoo", {{"w", w}});
    const auto step = [&](float g) {
      w.set_grad(full(shape, g));
      o.step();
    };
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] {
                           for (int t = 0; t < 1000; ++t) step(6e17f);
                         }),
                         "too large for float32"));
    for (const double x : w.detach().to_vector()) EXPECT_TRUE(std::isfinite(x));
  }
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

}  // namespace
}  // namespace descent
