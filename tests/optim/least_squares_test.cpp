// What a user sees of the rules of least squares: what their closures return, and what is refused.
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;

struct Line {
  Tensor a = zeros({}, kFloat64).requires_grad_(), b = zeros({}, kFloat64).requires_grad_();
  Tensor x = arange(0, 5, 1, kFloat64), y = x * 3 - 2;
  Optimizer lm{{a, b}, LevenbergMarquardt{}};
  Tensor residuals() const { return a * x + b - y; }
};

TEST(LeastSquares, StepReturnsHalfTheSumOfSquaresAtTheStart) {
  Line line;
  EXPECT_EQ(line.lm.step([&] { return line.residuals(); }), 0.5 * sum(square(line.y)).item());
  EXPECT_NEAR(line.a.item(), 3, 1e-9);
  EXPECT_NEAR(line.b.item(), -2, 1e-9);
  EXPECT_TRUE(line.lm.takes_residuals());
  EXPECT_FALSE(Optimizer({line.a}, Adam{}).takes_residuals());
}

TEST(LeastSquares, RefusesWhatIsNoResidual) {
  Line line;
  const auto refusal = [&](auto closure) {
    return message_of<GraphError>([&] { line.lm.step(closure); });
  };
  EXPECT_TRUE(has_text(refusal([] { return 1.5; }), "[lm] got a closure that returns a number"));
  EXPECT_TRUE(has_text(refusal([&] { return line.y; }), "got float64(5,) without a graph"));
  EXPECT_TRUE(has_text(refusal([&] { return line.residuals().slice(0, 0, 0); }), "no residuals"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { line.lm.step(); }),
                       "Hint: step([&] { return prediction - y; })"));
  const auto early = [&] {
    const Tensor r = line.residuals();
    sum(square(r)).backward();
    return r;
  };
  EXPECT_TRUE(has_text(refusal(early), "got residuals whose graph is used up"));
  const Tensor other = ones({2}).requires_grad_();
  EXPECT_TRUE(has_text(refusal([&] { return other * 2; }), "depend on none of the parameters"));
  EXPECT_EQ(line.a.item(), 0);
  int calls = 0;
  const auto shrinks = [&] { return line.residuals().slice(0, 0, ++calls > 1 ? 3 : 5); };
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { line.lm.step(shrinks); }),
                       "got 3 residuals, expected 5 as at the first call"));
  EXPECT_EQ(line.a.item(), 0);
}

TEST(LeastSquares, WarnsOnceOfASumInPlaceOfResiduals) {
  Line line;
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level, std::string_view text) {
    const bool ours = text.find("one residual") != text.npos;
    if (ours) heard.emplace_back(text);  // the fit itself may fail as well
  });
  for (int i = 0; i < 2; ++i) line.lm.step([&] { return sum(square(line.residuals())); });
  Line other;
  other.lm.step([&] { return other.residuals(); });
  logging::set_sink({});
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(has_text(heard[0], "lm: got one residual for 2 weights. Hint: return the residuals"));
}

TEST(LeastSquares, BeginsAFitAnewAfterOneThatHasEnded) {
  const Tensor p = ones({3}, kFloat64).requires_grad_(), x = linspace(0, 3, 30, kFloat64);
  Optimizer lm({p}, LevenbergMarquardt{});
  for (const double height : {2.0, 5.0}) {
    p.detach().fill_(1);
    lm.step([&] { return p[0] * exp(-p[1] * x) + p[2] - exp(-x * 1.5) * height; });
    EXPECT_NEAR(p[0].item(), height, 1e-8);
  }
}

TEST(LeastSquares, TakesTheParametersThemselvesForResiduals) {
  const Tensor p = tensor({3.0, -2.0}, kFloat64).requires_grad_();
  Optimizer lm({p}, LevenbergMarquardt{});
  lm.step([&] { return p; });
  for (const double w : p.detach().to_vector()) EXPECT_NEAR(w, 0, 1e-12);
}

TEST(LeastSquares, RefusesResidualsThatCannotBeSquared) {
  Line line;
  const auto scaled = [&](double by) { return [&, by] { return line.residuals() * by; }; };
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { line.lm.step(scaled(1e153)); }),
                       "NaN or infinity in the squares of the "));
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { line.lm.step(scaled(NAN)); }),
                       "NaN or infinity in the residuals, expected numbers; nothing was changed. "
                       "Hint: start where the model is finite"));
  EXPECT_EQ(line.a.item(), 0);
}

TEST(LeastSquares, LeavesFrozenParametersAlone) {
  Line line;
  line.b.requires_grad_(false);
  line.lm.step([&] { return line.residuals(); });
  EXPECT_EQ(line.b.item(), 0);
  EXPECT_NEAR(line.a.item(), sum(line.x * line.y).item() / sum(square(line.x)).item(), 1e-9);
}

TEST(LeastSquares, TakesTheShorterWayToTheDerivatives) {
  // Two parameters and five residuals: two passes for a Jacobian. Nine weights and one residual:
  // one.
  Line line;
  Optimizer step({line.a, line.b}, GaussNewton{.max_iter = 1});
  step.step([&] { return line.residuals(); });
  EXPECT_EQ(step.gradient_evaluations(), 1 + 2 + 1);
  const Tensor w = ones({9}, kFloat64).requires_grad_();
  Optimizer wide({w}, GaussNewton{.max_iter = 1});
  wide.step([&] { return sum(w) - 3; });
  EXPECT_EQ(wide.gradient_evaluations(), 1 + 1 + 1);
  for (const double x : w.detach().to_vector())
    EXPECT_NEAR(x, 1.0 / 3, 1e-12);  // the shortest step
}

TEST(LeastSquares, OfFewerResidualsThanWeightsAgreesWithTheSystemOfAllWeights) {
  // LM solves a wide system in the space of residuals. A residual that is always 0 changes nothing
  // but makes the system tall.
  Generator generator(7);
  const Tensor start = randn({12}, generator).to(kFloat64),
               m = randn({5, 12}, generator).to(kFloat64);
  std::vector<std::vector<double>> ends;
  for (const bool tall : {false, true}) {
    const Tensor w = start.clone().requires_grad_();
    Optimizer o({w}, LevenbergMarquardt{.max_iter = 3});
    o.step([&] {
      const Tensor r = sin(matmul(m, w.unsqueeze(1)).squeeze(1)) - 0.5;
      return tall ? cat({r, w * 0}) : r;
    });
    ends.push_back(w.detach().to_vector());
  }
  for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(ends[0][i], ends[1][i], 1e-11);
}

/// Compares the products with the matrix, at each point that minimize() has to do with.
struct ComparesProducts {
  double* worst = nullptr;
  static constexpr Card card{.name = "compares_products", .title = "Compares J with its products"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto&, auto&&) {}
  struct Memory {
    void state(StateVisitor&, std::int64_t) {}
  };
  void minimize(LeastSquares& p, Memory&) const {
    for (int point = 0; point < 2; ++point) {
      const Tensor j = p.jacobian(), v = cos(arange(j.size(1)).to(kFloat64)),
                   u = sin(arange(j.size(0)).to(kFloat64));
      const auto off = [](const Tensor& a, const Tensor& b) { return abs(a - b).max().item(); };
      *worst = std::max({*worst, off(p.jvp(v), matmul(j, v.unsqueeze(1)).squeeze(1)),
                         off(p.vjp(u), matmul(j.t(), u.unsqueeze(1)).squeeze(1))});
      p.evaluate(p.x + 0.5);
    }
  }
};

TEST(LeastSquares, GivesTheProductsOfTheJacobian) {
  Generator generator(5);
  for (const std::int64_t rows : {2, 9}) {
    const Tensor w = randn({4}, generator).to(kFloat64).requires_grad_(),
                 frozen = randn({3}, generator).to(kFloat64),
                 m = randn({rows, 4}, generator).to(kFloat64);
    double worst = 0;
    Optimizer o({w, frozen}, ComparesProducts{&worst});
    o.step([&] { return tanh(matmul(m, w.unsqueeze(1))) * frozen[0]; });
    EXPECT_LT(worst, 1e-14);
    EXPECT_EQ(o.gradient_evaluations(), 1 + 2 * (std::min<std::int64_t>(rows, 7) + 1 + 1) + 2);
  }
}

TEST(HessianFree, CountsTwoGradientsAProduct) {
  Line line;
  Optimizer o({line.a, line.b}, HessianFree{.max_cg = 1});
  o.step([&] { return line.residuals(); });
  EXPECT_EQ(o.gradient_evaluations(), 1 + 1 + 1 + 2 + 1);  // r, Jᵀr, Jg, one product, one trial
  const auto before = o.gradient_evaluations();
  o.step([&] { return line.residuals(); });
  EXPECT_EQ(o.gradient_evaluations() - before, 1 + 1 + 2 + 1);  // λ is known
}

TEST(HessianFree, TrainsANetThatIsTooLargeForLm) {
  manual_seed(3);
  nn::Sequential net(nn::Linear(1, 100), nn::Tanh(), nn::Linear(100, 100), nn::Tanh(),
                     nn::Linear(100, 1));
  const Tensor x = linspace(-3, 3, 40).unsqueeze(1), y = sin(x);
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { Optimizer(net.parameters(), LevenbergMarquardt{}); }),
               "because it makes a matrix. Hint: hessian_free keeps none"));
  Optimizer o(net.parameters(), HessianFree{});
  for (int t = 0; t < 40; ++t) o.step([&] { return nn::mse_residuals(net(x), y); });
  EXPECT_LT(nn::mse_loss(net(x), y).item(), 1e-4);
}

/// Brown & Dennis 1971, problem 16 of Moré, Garbow & Hillstrom 1981: large residuals.
struct BrownDennis {
  Tensor t = arange(1, 21).to(kFloat64) * 0.2,
         b = tensor({25.0, 5.0, -5.0, -1.0}, kFloat64).requires_grad_();
  Tensor residuals() const {
    return square(b[0] + t * b[1] - exp(t)) + square(b[2] + b[3] * sin(t) - cos(t));
  }
};

TEST(LevenbergMarquardt, FitsLargeResidualsInOneStep) {
  const BrownDennis problem;
  Optimizer o({problem.b}, LevenbergMarquardt{});
  o.step([&] { return problem.residuals(); });
  EXPECT_EQ(o.ended(), "tolerance_change");
  EXPECT_NEAR(sum(square(problem.residuals())).item(), 85822.2, 0.05);  // theirs
}

TEST(LevenbergMarquardt, FindsAParameterThatIsSoFarOffThatItHardlyCounts) {
  const Tensor x = linspace(0, 10, 101, kFloat64), y = exp(x * -0.5) * 3 + 0.2,
               p = tensor({1.0, 600.0, 0.0}, kFloat64).requires_grad_();
  Optimizer o({p}, LevenbergMarquardt{});
  o.step([&] { return p[0] * exp(-p[1] * x) + p[2] - y; });
  EXPECT_EQ(o.ended(), "tolerance_change");
  for (const auto& [i, value] : std::map<int, double>{{0, 3}, {1, 0.5}, {2, 0.2}})
    EXPECT_NEAR(p[i].item(), value, 1e-9);
}

TEST(LevenbergMarquardt, SaysOnceThatNoStepHelps) {
  const Tensor p = ones({2}, kFloat64).requires_grad_();
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level, std::string_view text) { heard.emplace_back(text); });
  Optimizer o({p}, LevenbergMarquardt{});
  for (int i = 0; i < 2; ++i)
    o.step([&] {  // the residuals are finite at the start alone
      const bool moved = p[0].item() != 1 || p[1].item() != 1;
      return moved ? p * NAN : p + 1;
    });
  logging::set_sink({});
  EXPECT_EQ(o.ended(), "no lower point");
  EXPECT_EQ(p.to_vector(), std::vector<double>(2, 1.0));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(has_text(heard[0], "lm: no step makes the residuals smaller"));
}

TEST(LevenbergMarquardt, SaysOnceThatAFitHasNotConverged) {
  const BrownDennis problem;
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level, std::string_view text) { heard.emplace_back(text); });
  Optimizer few({problem.b}, LevenbergMarquardt{.max_iter = 2}),
      many({problem.b}, LevenbergMarquardt{.max_iter = 100});
  EXPECT_EQ(few.ended(), "");
  for (Optimizer* o : {&few, &many, &many}) {
    o->step([&] { return problem.residuals(); });
    EXPECT_EQ(o->ended(), "max_iter");
  }
  logging::set_sink({});
  ASSERT_EQ(heard.size(), 1U);  // whoever asks for a few iterations knows that they are few
  EXPECT_TRUE(has_text(heard[0], "lm: the fit has not converged after max_iter = 100 iterations"));
}

TEST(GaussNewton, DoesNotDependOnTheUnitsOfTheParameters) {
  const Tensor t = linspace(0, 10, 101, kFloat64), y = exp(t * -0.5) * 3 * (sin(t * 7) * 0.01 + 1);
  std::vector<std::vector<double>> ends;
  for (const double unit : {1.0, 1e-12}) {
    const Tensor p = tensor({2 * unit, 0.4 / unit}, kFloat64).requires_grad_();
    Optimizer o({p}, GaussNewton{});
    o.step([&] { return p[0] / unit * exp(-p[1] * unit * t) - y; });
    EXPECT_EQ(o.ended(), "tolerance_change");
    ends.push_back({p[0].item() / unit, p[1].item() * unit});
  }
  for (const int i : {0, 1}) EXPECT_NEAR(ends[0][i], ends[1][i], 1e-10);
}

TEST(LeastSquares, FitsASineWithANet) {
  manual_seed(3);
  nn::Sequential net(nn::Linear(1, 8), nn::Tanh(), nn::Linear(8, 1));
  net.to(kFloat64);
  const Tensor x = linspace(-3, 3, 40, kFloat64).unsqueeze(1), y = sin(x);
  Optimizer o(net.parameters(), LevenbergMarquardt{.max_iter = 60});
  o.step([&] { return net(x) - y; });
  EXPECT_LT(nn::mse_loss(net(x), y).item(), 1e-7);
}

}  // namespace
}  // namespace descent
