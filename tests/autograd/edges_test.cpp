// Numbers at the edges: NaN, infinities, joints of functions in pieces, and products with zero.
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <gtest/gtest.h>
#include <cmath>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
constexpr double kInf = INFINITY, kNaN = NAN;

/// The value of f at x and its first two derivatives. The first is computed in one pass and with a
/// graph, and both must agree.
std::array<double, 3> derivatives(const std::function<Tensor(const Tensor&)>& f, double at,
                                  DType dtype) {
  const Tensor x = full({1}, at, dtype).requires_grad_();
  const Tensor y = sum(f(x));
  const double plain = grad({f(x).sum()}, {x})[0].item();
  const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
  EXPECT_TRUE(plain == first.item() || (std::isnan(plain) && std::isnan(first.item())) ||
              std::fabs(plain - first.item()) <= 1e-5 * std::fabs(plain))
      << plain << " and " << first.item() << " at " << at;
  double second = 0;
  if (first.requires_grad()) {
    const Tensor found = grad({first.sum()}, {x}, {}, {.allow_unused = true})[0];
    if (found.defined()) second = found.item();
  }
  return {y.item(), plain, second};
}

TEST(Edges, GeluInTheFormOfTanhStaysANumber) {
  const auto f = [](const Tensor& x) { return gelu(x, GeluForm::tanh); };
  for (const DType dtype : {kFloat32, kFloat64})
    for (const double size : {20.0, 100.0, 1000.0, 1e15, 1e30, kInf}) {
      const auto [high, high_slope, high_bend] = derivatives(f, size, dtype);
      EXPECT_EQ(high, full({}, size, dtype).item());
      EXPECT_EQ(high_slope, 1);
      EXPECT_EQ(high_bend, 0);
      const auto [low, low_slope, low_bend] = derivatives(f, -size, dtype);
      for (const double x : {low, low_slope, low_bend}) EXPECT_NEAR(x, 0, 1e-250) << size;
    }
  // −5σ(2u), by arithmetic of 40 digits: the tail keeps its digits.
  const auto [value, slope, bend] = derivatives(f, -5, kFloat32);
  EXPECT_NEAR(value, -2.29179620e-7, 1e-12);
  EXPECT_NEAR(slope, -1.54636199e-6, 1e-11);
  EXPECT_NEAR(bend, -9.93413222e-6, 1e-10);
  EXPECT_TRUE(std::isnan(derivatives(f, NAN, kFloat32)[1]));
}

TEST(Edges, SlopesAtInfinityAreTheSameInEveryForm) {
  for (const DType dtype : {kFloat32, kFloat64})
    for (const double size : {kInf, -kInf, 1e30, -1e30}) {
      for (const auto& f :
           {+[](const Tensor& x) { return silu(x); }, +[](const Tensor& x) { return gelu(x); }}) {
        const auto [value, slope, bend] = derivatives(f, size, dtype);
        EXPECT_EQ(value, size > 0 ? full({}, size, dtype).item() : 0);
        EXPECT_EQ(slope, size > 0 ? 1 : 0);
        EXPECT_EQ(bend, 0);
      }
    }
}

TEST(Edges, SpreadsOfNumbersWithALargeMeanHaveTheSameSlopeInEveryForm) {
  Generator generator(5);
  const Tensor noise = randn({1000}, generator) * 2;
  for (const double mean : {0.0, 1e4, 1e6, 1e7})
    for (const auto& f :
         {+[](const Tensor& x) { return var(x); }, +[](const Tensor& x) { return stddev(x); }}) {
      const Tensor x = (noise + mean).detach().requires_grad_(),
                   exact = x.detach().to(kFloat64).requires_grad_();
      const Tensor wanted = grad({f(exact)}, {exact})[0];
      for (const bool recorded : {false, true})
        EXPECT_TRUE(allclose(grad({f(x)}, {x}, {}, {.create_graph = recorded})[0].to(kFloat64),
                             wanted, 1e-5, 1e-6 * max(abs(wanted)).item()))
            << mean << ", " << recorded;
    }
  const Tensor equal = full({21}, 1e10 / 3).requires_grad_();
  EXPECT_EQ(max(abs(grad({var(equal)}, {equal}, {}, {.create_graph = true})[0])).item(), 0);
}

TEST(Edges, NormsOfAnyPowerNeitherOverflowNorVanish) {
  for (const auto& [size, p, dtype] : {std::tuple{1e4, 100.0, kFloat32},
                                       {1e38, 10.0, kFloat32},
                                       {1e-35, 10.0, kFloat32},
                                       {1e120, 3.0, kFloat64},
                                       {1e-120, 3.0, kFloat64}}) {
    const Tensor x = full({2}, size, dtype).requires_grad_();
    const Tensor y = norm(x, p);
    EXPECT_NEAR(y.item() / size, std::pow(2, 1 / p), 1e-6);
    EXPECT_NEAR(grad({y}, {x})[0][0].item(), std::pow(2, 1 / p) / 2, 1e-6);
  }
  const Tensor infinite = tensor({1.0, kInf});
  EXPECT_EQ(norm(infinite, 3).item(), kInf);
  EXPECT_TRUE(std::isnan(norm(tensor({1.0, NAN}), 3).item()));
  EXPECT_EQ(norm(zeros({0}), 3).item(), 0);
}

TEST(Edges, AnIgnoredRowOfCrossEntropyMayHoldAnything) {
  const Tensor labels = tensor({0, -100, 1});
  for (const double bad : {static_cast<double>(NAN), -kInf, kInf}) {
    const Tensor x = tensor(std::vector<double>{1, 2, bad, bad, 3, 1}, {3, 2}).requires_grad_();
    for (const bool recorded : {false, true}) {
      const Tensor loss = nn::cross_entropy(x, labels);
      EXPECT_TRUE(std::isfinite(loss.item()));
      const Tensor g = grad({loss}, {x}, {}, {.create_graph = recorded})[0].detach();
      EXPECT_EQ(g[1].to_vector(), (std::vector<double>{0, 0})) << bad << ", " << recorded;
    }
  }
}

TEST(Edges, SmoothL1StaysInRangeForAnyBeta) {
  for (const auto& [gap, beta, value, slope] : {std::array{1e20, 1e19, 9.5e19, 1.0},
                                                {1e38, 10.0, 1e38, 1.0},
                                                {5e19, 1e20, 1.25e19, 0.5},
                                                {1.0, 1e-39, 1.0, 1.0},
                                                {0.0, 1e-39, 0.0, 0.0},
                                                {2.0, 1e-300, 2.0, 1.0}}) {
    const Tensor x = full({1}, gap).requires_grad_();
    const Tensor y = nn::smooth_l1_loss(x, zeros({1}), beta);
    EXPECT_NEAR(y.item(), value, 1e-6 * value) << gap << ", " << beta;
    EXPECT_NEAR(grad({y}, {x})[0].item(), slope, 1e-6) << gap << ", " << beta;
  }
}

TEST(Edges, BceLossAtItsEndsHasAMixedSecondDerivative) {
  for (const double end : {0.0, 1.0}) {
    const Tensor p = full({1}, end, kFloat64).requires_grad_(),
                 t = full({1}, 0.25, kFloat64).requires_grad_();
    const Tensor dt = grad({nn::bce_loss(p, t)}, {t}, {}, {.create_graph = true})[0];
    EXPECT_EQ(dt.item(), end == 0 ? 100 : -100);
    EXPECT_TRUE(std::isfinite(grad({dt}, {p})[0].item()));
  }
}

TEST(Edges, UniformNumbersStayBelowTheUpperEnd) {
  manual_seed(11);
  const Tensor w = empty({2000000});
  nn::init::uniform_(w, 1000, 1001);
  EXPECT_LT(max(w).item(), 1001);
  EXPECT_GE(min(w).item(), 1000);
  nn::init::uniform_(w, 3, 3);
  EXPECT_EQ(max(w).item(), 3);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::init::uniform_(w, -3e38, 3e38); }),
                       "expected an interval whose length this type can hold"));
}

TEST(Edges, TanhReachesItsLimitsWithoutAStepBack) {
  const Tensor x = tensor({8.2, 8.3, 8.31, 8.46, 8.47, 9.0, 9.02, 20.0, 1e30, kInf}, kFloat32);
  const std::vector<double> y = tanh(x).to_vector(), below = tanh(-x).to_vector();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double exact = std::tanh(x.to_vector()[i]);
    EXPECT_NEAR(y[i], exact, 2.5e-7);
    EXPECT_EQ(below[i], -y[i]);
    if (i > 0) {
      EXPECT_GE(y[i], y[i - 1]);
    }
    if (i > 5) {
      EXPECT_EQ(y[i], 1);
    }
  }
}

TEST(Edges, EveryFunctionLetsANaNThrough) {
  using F = std::function<Tensor(const Tensor&)>;
  const Tensor t = tensor({0.5, 0.5}, kFloat64);
  const std::map<std::string, F> all{
      {"relu", [](const Tensor& x) { return relu(x); }},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }},
      {"elu", [](const Tensor& x) { return elu(x); }},
      {"silu", [](const Tensor& x) { return silu(x); }},
      {"softplus", [](const Tensor& x) { return softplus(x); }},
      {"gelu", [](const Tensor& x) { return gelu(x); }},
      {"gelu_tanh", [](const Tensor& x) { return gelu(x, GeluForm::tanh); }},
      {"tanh", [](const Tensor& x) { return tanh(x); }},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
      {"clamp", [](const Tensor& x) { return clamp(x, -1.0, 1.0); }},
      {"sum", [](const Tensor& x) { return sum(x); }},
      {"mean", [](const Tensor& x) { return mean(x); }},
      {"max", [](const Tensor& x) { return max(x); }},
      {"min", [](const Tensor& x) { return min(x); }},
      {"prod", [](const Tensor& x) { return prod(x); }},
      {"norm", [](const Tensor& x) { return norm(x); }},
      {"stddev", [](const Tensor& x) { return stddev(x); }},
      {"logsumexp", [](const Tensor& x) { return logsumexp(x); }},
      {"softmax", [](const Tensor& x) { return softmax(x, 0); }},
      {"cumsum", [](const Tensor& x) { return cumsum(x, 0); }},
      {"mse", [t](const Tensor& x) { return nn::mse_loss(x, t.to(x.dtype())); }},
      {"l1", [t](const Tensor& x) { return nn::l1_loss(x, t.to(x.dtype())); }},
      {"huber", [t](const Tensor& x) { return nn::huber_loss(x, t.to(x.dtype())); }},
      {"smooth_l1", [t](const Tensor& x) { return nn::smooth_l1_loss(x, t.to(x.dtype())); }},
      {"hinge", [t](const Tensor& x) { return nn::hinge_loss(x, t.to(x.dtype())); }},
      {"bce_with_logits", [t](const Tensor& x) { return nn::bce_with_logits(x, t.to(x.dtype())); }},
      {"kl_div", [t](const Tensor& x) { return nn::kl_div(x, t.to(x.dtype())); }},
      {"kl_div's target", [t](const Tensor& x) { return nn::kl_div(t.to(x.dtype()), x); }},
  };
  for (const auto& [name, f] : all)
    for (const DType dtype : {kFloat32, kFloat64})
      for (const std::int64_t place : {0, 1}) {
        Tensor x = zeros({2}, dtype);
        x[place].fill_(kNaN);
        bool some = false;
        for (const double y : f(x).to_vector()) some |= std::isnan(y);
        EXPECT_TRUE(some) << name;
      }
}

TEST(Edges, WhatChoosesSelectsAndDoesNotMultiply) {
  using F = std::function<Tensor(const Tensor&)>;
  const std::map<std::string, F> all{
      {"clamp", [](const Tensor& x) { return sqrt(clamp(x, 0, {})); }},
      {"maximum", [](const Tensor& x) { return log(maximum(x, 0)); }},
      {"minimum", [](const Tensor& x) { return log(-minimum(-x, 0)); }},
      {"relu", [](const Tensor& x) { return sqrt(relu(x)); }},
      {"where", [](const Tensor& x) { return sqrt(where(x > 0, x, 0.0)); }},
      {"max",
       [](const Tensor& x) {
         return sqrt(max(cat({x, zeros({1}, x.dtype())})));
       }},
  };
  for (const auto& [name, f] : all)
    for (const DType dtype : {kFloat32, kFloat64})
      EXPECT_EQ(derivatives(f, -1, dtype)[1], 0) << name;
}

TEST(Edges, ClampTakesNoBoundThatIsNaN) {
  EXPECT_TRUE(has_text(message_of<ValueError>([] { clamp(ones({2}), kNaN, 1.0); }),
                       "[clamp] got a bound that is NaN"));
}

TEST(Edges, PowersHaveTheirSecondDerivativeAtZero) {
  const auto f = [](const Tensor& x) {  // 1 + 2x + 3x² + 4x³
    Tensor y = zeros({1}, x.dtype());
    for (int k = 0; k < 4; ++k) y = y + pow(x, full({}, k, x.dtype())) * (k + 1);
    return y;
  };
  for (const DType dtype : {kFloat32, kFloat64})
    EXPECT_EQ(derivatives(f, 0, dtype), (std::array<double, 3>{1, 2, 6}));
}

TEST(Edges, TheSpreadOfEqualNumbersHasNoSlope) {
  for (const DType dtype : {kFloat32, kFloat64})
    for (const std::int64_t n : {3, 4, 7, 1001})
      for (const double value : {3.0, 0.1, -0.94109, 1e-30}) {
        const Tensor row = full({n}, value, dtype).requires_grad_();
        const Tensor columns = full({n, 5}, value, dtype).requires_grad_();
        for (const Tensor& x : {row, columns}) {
          const Tensor s = stddev(x, {0});
          EXPECT_EQ(max(s).item(), 0) << n << " times " << value;
          sum(s).backward();
          EXPECT_EQ(max(abs(x.grad())).item(), 0) << n << " times " << value;
        }
      }
}

TEST(Edges, LossesAreTheirParabolaInsideAndTheirLineOutside) {
  for (const auto& [at, value, slope, bend] :
       std::vector<std::array<double, 4>>{{0, 0, 0, 1},
                                          {0.5, 0.125, 0.5, 1},
                                          {-0.5, 0.125, -0.5, 1},
                                          {3, 2.5, 1, 0},
                                          {-3, 2.5, -1, 0}}) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor zero = zeros({1}, dtype);
      const std::array<double, 3> expected{value, slope, bend};
      EXPECT_EQ(derivatives([&](const Tensor& x) { return nn::huber_loss(x, zero); }, at, dtype),
                expected);
      EXPECT_EQ(
          derivatives([&](const Tensor& x) { return nn::smooth_l1_loss(x, zero); }, at, dtype),
          expected);
    }
  }
}

// Values, slopes and second derivatives of functions in pieces, inside each piece and at the
// joints. The numbers are PyTorch's, but for two where PyTorch gives NaN: x⁰ and a norm at 0 have
// 0.
TEST(Edges, SecondDerivativesInsidePiecesAndAtJoints) {
  using Points = std::vector<std::array<double, 4>>;  // x, value, slope, second derivative
  struct Piecewise {
    const char* name;
    std::function<Tensor(const Tensor&)> f;
    Points points;
  };
  const Points parabola_and_lines{{-2, 1.5, -1, 0},     {-1, 0.5, -1, 0}, {0, 0, 0, 1},
                                  {0.5, 0.125, 0.5, 1}, {1, 0.5, 1, 0},   {2, 1.5, 1, 0}};
  const std::vector<Piecewise> all{
      {"relu",
       [](const Tensor& x) { return relu(x); },
       {{-1, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 1, 0}}},
      {"leaky_relu",
       [](const Tensor& x) { return leaky_relu(x); },
       {{-1, -0.01, 0.01, 0}, {0, 0, 0.01, 0}, {1, 1, 1, 0}}},
      {"elu",
       [](const Tensor& x) { return elu(x); },
       {{-1, -0.6321205588285577, 0.36787944117144233, 0.36787944117144233},
        {0, 0, 1, 0},
        {1, 1, 1, 0}}},
      {"gelu",
       [](const Tensor& x) { return gelu(x); },
       {{-1, -0.15865525393145702, -0.08331547058768635, 0.24197072451914337},
        {0, 0, 0.5, 0.7978845608028654},
        {1, 0.841344746068543, 1.0833154705876864, 0.24197072451914337}}},
      {"silu",
       [](const Tensor& x) { return silu(x); },
       {{-1, -0.2689414213699951, 0.07232948812851325, 0.3023661188100153},
        {0, 0, 0.5, 0.5},
        {1, 0.7310585786300049, 0.9276705118714869, 0.3023661188100153}}},
      {"softplus",
       [](const Tensor& x) { return softplus(x); },
       {{-1, 0.31326168751822286, 0.2689414213699951, 0.19661193324148185},
        {0, 0.6931471805599453, 0.5, 0.25},
        {1, 1.3132616875182228, 0.7310585786300049, 0.19661193324148185}}},
      {"abs", [](const Tensor& x) { return abs(x); }, {{-1, 1, -1, 0}, {0, 0, 0, 0}, {1, 1, 1, 0}}},
      {"clamp",
       [](const Tensor& x) { return clamp(x, -1, 1); },
       {{-2, -1, 0, 0}, {-1, -1, 1, 0}, {0, 0, 1, 0}, {1, 1, 1, 0}, {2, 1, 0, 0}}},
      {"maximum",
       [](const Tensor& x) { return maximum(x, 0); },
       {{-1, 0, 0, 0}, {0, 0, 0.5, 0}, {1, 1, 1, 0}}},
      {"minimum",
       [](const Tensor& x) { return minimum(x, 0); },
       {{-1, -1, 1, 0}, {0, 0, 0.5, 0}, {1, 0, 0, 0}}},
      {"max_sq",
       [](const Tensor& x) { return maximum(x * x, x); },
       {{-1, 1, -2, 2}, {0, 0, 0.5, 1}, {0.5, 0.5, 1, 0}, {1, 1, 1.5, 1}, {2, 4, 4, 2}}},
      {"huber", [](const Tensor& x) { return nn::huber_loss(x, zeros_like(x)); },
       parabola_and_lines},
      {"smooth_l1", [](const Tensor& x) { return nn::smooth_l1_loss(x, zeros_like(x)); },
       parabola_and_lines},
      {"smooth_l1_beta2",
       [](const Tensor& x) { return nn::smooth_l1_loss(x, zeros_like(x), 2); },
       {{-3, 2, -1, 0}, {-2, 1, -1, 0}, {0, 0, 0, 0.5}, {1, 0.25, 0.5, 0.5}, {2, 1, 1, 0}}},
      {"pow0", [](const Tensor& x) { return pow(x, zeros_like(x)); }, {{0, 1, 0, 0}, {2, 1, 0, 0}}},
      {"pow1", [](const Tensor& x) { return pow(x, ones_like(x)); }, {{0, 0, 1, 0}, {2, 2, 1, 0}}},
      {"pow2",
       [](const Tensor& x) { return pow(x, full_like(x, 2)); },
       {{0, 0, 0, 2}, {2, 4, 4, 2}}},
      {"pow3",
       [](const Tensor& x) { return pow(x, full_like(x, 3)); },
       {{0, 0, 0, 0}, {2, 8, 12, 12}}},
      {"sqrt",
       [](const Tensor& x) { return sqrt(x); },
       {{0, 0, kInf, -kInf}, {4, 2, 0.25, -0.03125}}},
      {"norm",
       [](const Tensor& x) {
         return norm(cat({x, zeros_like(x)}));
       },
       {{0, 0, 0, 0}, {2, 2, 1, 0}}},
      {"hinge",
       [](const Tensor& x) { return nn::hinge_loss(x, ones_like(x)); },
       {{0, 1, -1, 0}, {1, 0, 0, 0}, {2, 0, 0, 0}}},
      {"l1",
       [](const Tensor& x) { return nn::l1_loss(x, zeros_like(x)); },
       {{-1, 1, -1, 0}, {0, 0, 0, 0}, {1, 1, 1, 0}}},
  };
  for (const auto& [name, f, points] : all)
    for (const DType dtype : {kFloat32, kFloat64})
      for (const auto& [at, value, slope, bend] : points) {
        const auto [y, first, second] = derivatives(f, at, dtype);
        const double near = dtype == kFloat32 ? 2e-6 : 1e-12;
        for (const auto& [found, right, what] :
             {std::tuple(y, value, "value"), {first, slope, "slope"}, {second, bend, "bend"}})
          if (std::isinf(right))
            EXPECT_EQ(found, right) << "the " << what << " of " << name << " at " << at;
          else
            EXPECT_NEAR(found, right, near) << "the " << what << " of " << name << " at " << at;
      }
}

TEST(Edges, AClassThatNobodyWantsMayBeImpossible) {
  const Tensor logits = tensor({{0.0, -kInf, 0.0}}, kFloat64).requires_grad_();
  const Tensor loss = nn::cross_entropy(logits, tensor({{0.5, 0.0, 0.5}}, kFloat64));
  EXPECT_NEAR(loss.item(), std::log(2.0), 1e-15);
  loss.backward();
  for (const double g : logits.grad().to_vector()) EXPECT_TRUE(std::isfinite(g));
  EXPECT_EQ(nn::cross_entropy(logits, tensor({{0.5, 0.5, 0.0}}, kFloat64)).item(), kInf);
}

TEST(Edges, NormsOfFloatsNeitherOverflowNorVanish) {
  for (const double size : {3e20, 3e-30, 1e38}) {
    const Tensor x = full({4}, size, kFloat32).requires_grad_();
    const Tensor length = norm(x);
    EXPECT_NEAR(length.item() / (2 * size), 1, 1e-6);
    length.backward();
    for (const double g : x.grad().to_vector()) EXPECT_NEAR(g, 0.5, 1e-6);
  }
}

TEST(Edges, NormalisingWorksAtEverySize) {
  using Layer = std::function<Tensor(const Tensor&)>;
  const std::map<std::string, Layer> all{
      {"layer_norm",
       [](const Tensor& x) {
         nn::LayerNorm layer(6);
         layer.to(x.dtype());
         return layer(x);
       }},
      {"batch_norm",
       [](const Tensor& x) {
         nn::BatchNorm1d layer(6);
         layer.to(x.dtype());
         const Tensor y = layer(x);
         EXPECT_TRUE(std::isfinite(max(layer.running_var).item()))
             << "of numbers near " << max(x).item();
         return y;
       }},
      {"var", [](const Tensor& x) { return var(x / max(abs(x)), {1}, 1, true); }},
      {"stddev", [](const Tensor& x) { return stddev(x, {1}, 1, true) / max(abs(x)); }},
      {"norm", [](const Tensor& x) { return norm(x, 2, {1}, true) / max(abs(x)); }},
      {"norm 3", [](const Tensor& x) { return norm(x, 3, {1}, true) / max(abs(x)); }},
  };
  Generator generator(1);
  const Tensor unit = randn({5, 6}, generator), weights = randn({5, 6}, generator);
  for (const auto& [name, f] : all)
    for (const double size : {1e-30, 1e-20, 1e-3, 1e10, 1e20, 1e25, 1e30}) {
      const auto run = [&, &g = f](DType dtype) {
        const Tensor x = (unit * size).to(dtype).requires_grad_(), y = g(x);
        sum(y * weights.to(dtype).narrow(y.dim() - 1, 0, y.size(-1))).backward();
        return std::pair(y.detach().to(kFloat64), x.grad().to(kFloat64));
      };
      const auto [y, slope] = run(kFloat32);
      const auto [exact_y, exact_slope] = run(kFloat64);
      EXPECT_TRUE(allclose(y, exact_y, 1e-5, 1e-6 * max(abs(exact_y)).item()))
          << name << " near " << size;
      EXPECT_TRUE(allclose(slope, exact_slope, 1e-4, 1e-5 * max(abs(exact_slope)).item()))
          << name << " near " << size;
    }
}

TEST(Edges, DoublesBeyondTheRootOfTheirRangeAreNormalised) {
  Generator generator(1);
  const Tensor x = randn({5, 6}, generator, kFloat64);
  nn::LayerNorm of_row(6);
  nn::BatchNorm1d of_batch(6);
  of_row.to(kFloat64);
  of_batch.to(kFloat64);
  for (const Dims& dims : {Dims{0}, Dims{1}}) {
    EXPECT_TRUE(allclose(norm(x * 1e200, 2, dims), norm(x, 2, dims) * 1e200, 1e-12));
    EXPECT_TRUE(allclose(stddev(x * 1e-200, dims) * 1e200, stddev(x, dims), 1e-12));
  }
  EXPECT_TRUE(allclose(of_row(x * 1e200), of_row(x * 1e50), 1e-12));
  EXPECT_TRUE(allclose(of_batch(x * 1e200), of_batch(x * 1e50), 1e-12));
  EXPECT_TRUE(std::isfinite(max(of_batch.running_var).item()));
}

TEST(Edges, ARunningSumKeepsItsDigits) {
  const Tensor ends = cumsum(full({1000000}, 0.1, kFloat32), 0);
  EXPECT_NEAR(ends.slice(0, 999999).item() / (1e6 * 0.1f), 1, 1e-7);
}

TEST(Edges, ClippingALargeGradientLeavesItsDirection) {
  for (const char* clip : {"clip_norm(sgd(lr=1), 1)", "clip_norm_per_parameter(sgd(lr=1), 1)"}) {
    const Tensor w = zeros({2}).requires_grad_();
    optim::Optimizer o = optim::make(clip, {{"w", w}});
    w.set_grad(tensor({3e38, 0.0}, kFloat32));
    o.step();
    EXPECT_NEAR(w.detach().to_vector()[0], -1, 1e-5) << clip;
    EXPECT_EQ(w.detach().to_vector()[1], 0) << clip;
  }
}

TEST(Edges, AnEmptySumOfExponentialsHasTheLogarithmOfZero) {
  EXPECT_EQ(logsumexp(zeros({2, 0}), {1}).to_vector(), std::vector<double>(2, -kInf));
}

TEST(Edges, ARowOfNaNIsNoGuess) {
  const Tensor logits = tensor({{kNaN, kNaN}, {2.0, 1.0}, {0.0, kNaN}}, kFloat64);
  EXPECT_NEAR(nn::accuracy(logits, tensor({0, 0, 1})), 1.0 / 3, 1e-15);
}

TEST(Edges, SlicesOfAnyLimitsAndStepsAreDifferentiatedThreeTimes) {
  const std::int64_t kLarge = kEnd, limits[] = {-kLarge, -4, -1, 0, 1, 2, 3, kLarge};
  for (const std::int64_t n : {0, 1, 3})
    for (const std::int64_t begin : limits)
      for (const std::int64_t end : limits)
        for (const std::int64_t step :
             {std::int64_t{1}, std::int64_t{2}, std::int64_t{4}, kLarge}) {
          const Tensor base = (ones({n, 2}, kFloat64) * 3).requires_grad_();
          const auto slice = [&](const Tensor& x) { return x.slice(0, begin, end, step); };
          const Tensor y = slice(base.t().t());  // a view of views
          const auto limit = [n](std::int64_t i) {
            return std::clamp<std::int64_t>(i < 0 ? i + n : i, 0, n);
          };
          std::vector<double> expected(static_cast<std::size_t>(2 * n), 0.0);
          std::int64_t rows = 0;
          for (std::int64_t i = limit(begin); i < limit(end); i += std::min(step, n + 1), ++rows)
            expected[static_cast<std::size_t>(2 * i)] =
                expected[static_cast<std::size_t>(2 * i + 1)] = 1;
          ASSERT_EQ(y.shape(), (Shape{rows, 2})) << n << " " << begin << " " << end << " " << step;
          Tensor d = sum(square(square(y)));
          for (const double factor : {4 * 27.0, 12 * 9.0, 24 * 3.0}) {
            d = grad({sum(d)}, {base}, {}, {.create_graph = true})[0];
            EXPECT_EQ((d.detach() / factor).to_vector(), expected);
          }
        }
}

TEST(Edges, AnEmptyViewHasAnEmptyGradientOfAnyOrder) {
  using F = std::function<Tensor(const Tensor&)>;
  const Tensor none = zeros({0}, kInt64);
  for (const F& view : std::vector<F>{
           [](const Tensor& x) { return x.narrow(1, 3, 0).t(); },
           [](const Tensor& x) {
             return x.slice(0, 1, 1).expand({0, 3});
           },
           [](const Tensor& x) {
             return x.slice(0, 0, 0, 2).reshape({3, 0});
           },
           [](const Tensor& x) {
             return split(x, {2, 0}, 0)[1].flatten();
           },
           [&](const Tensor& x) { return index_select(x, 0, none); },
           [](const Tensor& x) {
             return x.slice(0, 2).permute({1, 0}).unsqueeze(1);
           },
           [](const Tensor& x) { return matmul(x.slice(1, 3), x.slice(1, 3).t()).slice(0, 2); }}) {
    const Tensor x = ones({2, 3}, kFloat64).requires_grad_();
    Tensor d = sum(square(view(x)) * view(x) + 1) + sum(x * x * x);
    for (const double expected : {3.0, 6.0, 6.0}) {
      d = grad({sum(d)}, {x}, {}, {.create_graph = true})[0];
      EXPECT_EQ(d.to_vector(), std::vector<double>(6, expected));
    }
  }
}

TEST(Edges, ACopyOfALeafIsNoLeaf) {
  const Tensor w = tensor({1.0, 2.0}, kFloat64).requires_grad_(), y = zeros({2}, kFloat64);
  y.copy_(w);
  EXPECT_FALSE(y.is_leaf());
  EXPECT_EQ(y.grad_fn(), "copy_");
  y.mul_(3);
  sum(y * w).backward();
  EXPECT_EQ(w.grad().to_vector(), (std::vector<double>{6, 12}));
}

TEST(Edges, CopiesThatOverlapReadBeforeTheyWrite) {
  const Tensor x = arange(9).to(kFloat64).reshape({3, 3}), expected = x.t().clone();
  x.copy_(x.t());
  EXPECT_EQ(x.to_vector(), expected.to_vector());
  const Tensor row = arange(6);
  row.slice(0, 1).copy_(row.slice(0, 0, 5));
  EXPECT_EQ(row.to_vector(), (std::vector<double>{0, 0, 1, 2, 3, 4}));
}

TEST(Edges, NoOperatorRecordsInsideANoGradGuard) {
  const Tensor p = full({2}, 0.5).requires_grad_();
  const NoGradGuard no_grad;
  EXPECT_FALSE(nn::bce_loss(p, ones({2})).requires_grad());
}

}  // namespace
}  // namespace descent
