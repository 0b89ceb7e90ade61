// Derivatives of functions, against each other, against known ones and against finite differences.
#include "tests/support/distance.h"
#include "tests/support/errors.h"

#include <descent/descent.h>

#include <cmath>
#include <numbers>

namespace descent {
namespace {

using testing::distance;
using testing::has_text;
using testing::message_of;

Tensor waves(const Tensor& x) { return sin(x) * x.sum() + cat({x, x.square()}).slice(0, 0, 4); }
Tensor energy(const Tensor& x) { return (exp(x) * x.flip({0})).sum() + x.square().sum().square(); }
Tensor point(DType dtype = kFloat64) {
  Generator generator(5);
  return randn({4}, generator, dtype);
}

TEST(Functional, ProductsAreEachOthersTranspose) {
  Generator generator(6);
  for (const DType dtype : {kFloat64, kFloat32}) {
    const Tensor x = point(dtype), v = randn({4}, generator, dtype),
                 u = randn({4}, generator, dtype);
    const auto [y, pull] = vjp(waves, x);
    const auto [z, slope] = jvp(waves, x, v);
    EXPECT_EQ(y.to_vector(), waves(x).to_vector());
    EXPECT_EQ(z.to_vector(), y.to_vector());
    EXPECT_NEAR(dot(u, slope).item(), dot(pull(u), v).item(), dtype == kFloat64 ? 1e-13 : 1e-5);
    EXPECT_EQ(vjp(waves, x, u).second.to_vector(), pull(u).to_vector());
    EXPECT_EQ(linearize(waves, x).second(v).to_vector(), slope.to_vector());
    EXPECT_FALSE(slope.requires_grad() || y.requires_grad() || pull(u).requires_grad());
  }
}

TEST(Functional, JacobiansAgreeWithFiniteDifferences) {
  const Tensor x = point(), j = jacrev(waves, x);
  EXPECT_EQ(j.shape(), (Shape{4, 4}));
  EXPECT_LT(distance(j, jacfwd(waves, x)), 1e-13);
  EXPECT_LT(distance(j, jacobian(waves, x)), 1e-13);
  for (std::int64_t k = 0; k < 4; ++k) {
    const Tensor step = zeros({4}, kFloat64);
    step[k] = 1e-5;
    EXPECT_LT(distance(j.select(1, k), (waves(x + step) - waves(x - step)) / 2e-5), 1e-8);
  }
}

TEST(Functional, HasKnownDerivatives) {
  const Tensor x = point(), p = softmax(x, 0);
  const auto soft = [](const Tensor& z) { return softmax(z, 0); };
  const Tensor known = diag(p) - p.unsqueeze(1) * p.unsqueeze(0);
  EXPECT_LT(distance(jacrev(soft, x), known), 1e-15);
  EXPECT_LT(distance(jacfwd(soft, x), known), 1e-15);
  const auto total = [](const Tensor& z) { return logsumexp(z, 0); };
  EXPECT_LT(distance(hessian(total, x), known), 1e-15);  // softmax is its gradient
  EXPECT_LT(distance(grad(total)(x), p), 1e-15);

  const auto cubes = [](const Tensor& z) { return z * z * z; };
  EXPECT_LT(distance(jacrev(cubes, x), diag(3 * x * x)), 1e-14);
  const Tensor third = jacfwd(jacrev(jacrev(cubes)))(x);  // 6 where all four indices are equal
  EXPECT_EQ(third.shape(), (Shape{4, 4, 4, 4}));
  EXPECT_NEAR(third.sum().item(), 24, 1e-13);
  EXPECT_NEAR(third[2][2][2][2].item(), 6, 1e-13);
}

TEST(Functional, HessiansAreSymmetricAndTheirProductsAgree) {
  Generator generator(7);
  const Tensor x = point(), v = randn({4}, generator, kFloat64), h = hessian(energy, x);
  EXPECT_LT(distance(h, h.t()), 1e-13);
  EXPECT_LT(distance(h, jacfwd(grad(energy))(x)), 1e-13);
  const auto [y, product] = hvp(energy, x, v);
  EXPECT_EQ(y.item(), energy(x).item());
  EXPECT_LT(distance(product, matmul(h, v)), 1e-12);
  EXPECT_EQ(vhp(energy, x, v).second.to_vector(), product.to_vector());
  const auto [g, value] = grad_and_value(energy)(x);
  EXPECT_EQ(value.item(), y.item());
  EXPECT_LT(distance(g, (energy(x + 1e-6 * v) - energy(x - 1e-6 * v)).unsqueeze(0) / 2e-6 -
                            dot(g, v) + g),
            1e-7);
}

TEST(Functional, IsRecordedForWhoeverDifferentiatesByMore) {
  const Tensor x = point(), w = full({}, 0.7, kFloat64).requires_grad_();
  const auto f = [&](const Tensor& z) { return (sin(w * z)).sum(); };
  // ∂/∂w of ∂f/∂z = cos(wz) − wz·sin(wz)
  const Tensor slope = grad_and_value(f, x).first;
  const Tensor by_w = grad({slope.sum()}, {w})[0];
  EXPECT_NEAR(by_w.item(), (cos(w * x) - w * x * sin(w * x)).sum().item(), 1e-14);
  const Tensor z = x.clone().requires_grad_();
  const Tensor curvature = grad({hvp(f, z, ones_like(z)).second.sum()}, {z})[0];
  EXPECT_LT(distance(curvature, -w.detach() * w * w * cos(w * x)), 1e-14);
  {
    const NoGradGuard no_grad;
    EXPECT_FALSE(grad_and_value(f, x).first.requires_grad());
    EXPECT_LT(distance(grad_and_value(f, x).first, slope), 1e-15);
  }
}

TEST(Functional, TakesFunctionsThatDoNotDependOnX) {
  const Tensor x = point();
  const auto constant = [](const Tensor&) { return ones({2}, kFloat64); };
  EXPECT_EQ(jacrev(constant, x).to_vector(), std::vector<double>(8));
  EXPECT_EQ(jacfwd(constant, x).to_vector(), std::vector<double>(8));
  EXPECT_EQ(hessian([](const Tensor& z) { return z.sum(); }, x).to_vector(),
            std::vector<double>(16));
  EXPECT_EQ(jacobian([](const Tensor& z) { return z; }, x).to_vector(),
            eye(4, 4, kFloat64).to_vector());
  EXPECT_EQ(jacrev(waves, zeros({4}, kFloat64)).shape(), (Shape{4, 4}));
  EXPECT_EQ(jacrev([](const Tensor& z) { return z; }, zeros({0})).shape(), (Shape{0, 0}));
}

TEST(Functional, TakesSeveralTensors) {
  Generator generator(12);
  const Tensor w = randn({2, 3}, generator, kFloat64), b = randn({3}, generator, kFloat64),
               c = randn({1, 2}, generator, kFloat64), vw = randn({2, 3}, generator, kFloat64),
               vb = randn({3}, generator, kFloat64), u = randn({1, 3}, generator, kFloat64);
  const auto layer = [&](const std::vector<Tensor>& in) { return tanh(matmul(c, in[0]) + in[1]); };
  const auto of_w = [&](const Tensor& z) { return layer({z, b}); };
  const auto of_b = [&](const Tensor& z) { return layer({w, z}); };
  for (const auto& j : {jacobian(layer, {w, b}), jacrev(layer, {w, b}), jacfwd(layer, {w, b})}) {
    ASSERT_EQ(j.size(), 2u);
    EXPECT_EQ(j[0].shape(), (Shape{1, 3, 2, 3}));
    EXPECT_EQ(j[1].shape(), (Shape{1, 3, 3}));
    EXPECT_LT(distance(j[0], jacobian(of_w, w)), 1e-14);
    EXPECT_LT(distance(j[1], jacobian(of_b, b)), 1e-14);
  }
  const auto [y, pull] = vjp(layer, {w, b});
  EXPECT_LT(distance(pull(u)[0], vjp(of_w, w, u).second), 1e-14);
  EXPECT_LT(distance(pull(u)[1], vjp(of_b, b, u).second), 1e-14);
  EXPECT_EQ(y.to_vector(), layer({w, b}).to_vector());
  EXPECT_LT(distance(jvp(layer, {w, b}, {vw, vb}).second,
                     jvp(of_w, w, vw).second + jvp(of_b, b, vb).second),
            1e-14);

  const auto energy_of = [&](const std::vector<Tensor>& in) { return layer(in).square().sum(); };
  const auto [slopes, value] = grad_and_value(energy_of, {w, b});
  EXPECT_LT(distance(slopes[0], grad([&](const Tensor& z) {
                       return energy_of({z, b});
                     })(w)),
            1e-14);
  EXPECT_LT(distance(slopes[1], grad([&](const Tensor& z) {
                       return energy_of({w, z});
                     })(b)),
            1e-14);
  EXPECT_EQ(value.item<double>(), energy_of({w, b}).item<double>());
  const auto h = hessian(energy_of, {w, b});
  EXPECT_EQ(h[0][1].shape(), (Shape{2, 3, 3}));
  EXPECT_LT(distance(h[0][1].reshape({6, 3}).t(), h[1][0].reshape({3, 6})), 1e-14);
  EXPECT_LT(distance(h[1][1], hessian(
                                  [&](const Tensor& z) {
                                    return energy_of({w, z});
                                  },
                                  b)),
            1e-14);
  const auto hv = hvp(energy_of, {w, b}, {vw, vb}).second;
  EXPECT_LT(distance(hv[1], matmul(h[1][0].reshape({3, 6}), vw.reshape({6, 1})).flatten() +
                                matmul(h[1][1], vb.reshape({3, 1})).flatten()),
            1e-13);

  EXPECT_TRUE(has_text(message_of<ValueError>([&] { jacobian(layer, std::vector<Tensor>{}); }),
                       "got no inputs"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] {
                         jacobian(layer, {w, b.to(kFloat32)});
                       }),
                       "got inputs of float64 and float32"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         jvp(layer, {w, b}, {vw});
                       }),
                       "got 1 tensors, expected 2"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         hvp(energy_of, {w, b}, {vb, vb});
                       }),
                       "got a tensor of shape (3,) for input 0"));
}

TEST(Functional, AgreesWithReverseModeThroughEigenvectors) {
  const Tensor a = tensor({{2.0, 0.5}, {0.5, 1.0}}, kFloat64);
  const auto vectors = [](const Tensor& z) { return eigh(z).vectors; };
  EXPECT_LT(distance(jacfwd(vectors, a), jacrev(vectors, a)), 1e-14);
  EXPECT_GT(max(abs(jacfwd(vectors, a))).item(), 0.2);
  const Tensor fixed = vectors(a);
  const auto away = [&](const Tensor& z) { return (vectors(z) - fixed).square().sum(); };
  const Tensor h = hessian(away, a), beside = hessian(away, a + 1e-7);
  EXPECT_GT(max(abs(h)).item(), 0.1);
  EXPECT_LT(distance(h, beside), 1e-5);
}

TEST(Functional, IsSymmetricWhereTheExponentIsZero) {
  const auto power = [](const std::vector<Tensor>& in) { return pow(in[0], in[1]); };
  const auto h = hessian(power, {tensor(2.0, kFloat64), tensor(0.0, kFloat64)});
  EXPECT_DOUBLE_EQ(h[0][1].item<double>(), 0.5);  // ∂(b·aᵇ⁻¹)/∂b = aᵇ⁻¹ at b = 0
  EXPECT_DOUBLE_EQ(h[1][0].item<double>(), 0.5);
}

TEST(Functional, KeepsDigitsInTheTails) {
  const auto slope = [](auto f, double x, DType dtype) {
    return grad([&](const Tensor& z) { return f(z); })(tensor(x, dtype)).template item<double>();
  };
  const auto bend = [](auto f, double x) {
    return hessian([&](const Tensor& z) { return f(z); }, tensor(x, kFloat64))
        .template item<double>();
  };
  const auto smooth = [](const Tensor& z) { return gelu(z); };
  const auto phi = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); };
  const auto cdf = [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; };
  for (const double x : {-20.0, -8.0, -6.0, -1.5, -0.3, 0.2, 4.0}) {
    const double exact = cdf(x) + x * phi(x), second = phi(x) * (2 - x * x);
    EXPECT_NEAR(slope(smooth, x, kFloat64), exact, 1e-12 * std::fabs(exact)) << x;
    EXPECT_NEAR(bend(smooth, x), second, 1e-12 * std::fabs(second)) << x;
    if (x > -12) {
      EXPECT_NEAR(slope(smooth, x, kFloat32), exact, 2e-5 * std::fabs(exact)) << x;
    }
  }
  const auto first = [](const Tensor& z) { return logaddexp(tensor(40.0, z.dtype()), z); };
  const double share = 1 / (1 + std::exp(40.0));
  EXPECT_NEAR(slope(first, 0, kFloat64), share, 1e-14 * share);
  EXPECT_NEAR(bend(first, 0), share, 1e-12 * share);
  const auto angle = [](const Tensor& z) { return atan2(z, tensor(1e-20, z.dtype())); };
  EXPECT_NEAR(slope(angle, 1e-20, kFloat32), 5e19, 1e14);
}

TEST(Functional, RunsTheFunctionOnceAndTakesGenericLambdas) {
  int runs = 0;
  const Tensor w = tensor({1.0, 2.0}, kFloat64).requires_grad_();
  const auto inner = [&](const auto& z) {
    ++runs;
    return grad({sin(w).sum()}, {w}, {}, {.create_graph = true})[0] * z;
  };
  const Tensor x = tensor({3.0, 4.0}, kFloat64), j = jacobian(inner, x);
  EXPECT_EQ(runs, 1);
  EXPECT_LT(distance(j, diag(cos(w.detach()))), 1e-15);
  EXPECT_EQ(jacfwd([](auto z) { return sin(z); }, x).shape(), (Shape{2, 2}));
  EXPECT_EQ(hvp([](auto z) { return sin(z).sum(); }, x, x).second.shape(), (Shape{2}));
  const NoGradGuard no_grad;
  const Tensor v = tensor({1.0, 1.0}, kFloat64).requires_grad_();
  EXPECT_FALSE(jvp([](const Tensor& z) { return sin(z); }, x, v).second.requires_grad());
  EXPECT_FALSE(hvp([](const Tensor& z) { return sin(z).sum(); }, x, v).second.requires_grad());
}

TEST(Functional, MapsOverSlices) {
  const Tensor x = stack({point(), 2 * point(), -point()});
  const Tensor each = vmap(grad(energy))(x);
  EXPECT_EQ(each.shape(), (Shape{3, 4}));
  EXPECT_LT(distance(each[1], grad(energy)(x[1])), 1e-15);
  EXPECT_EQ(vmap([](const Tensor& z) { return z.sum(); }, 1)(x).shape(), (Shape{4}));
}

TEST(Functional, SaysWhatDoesNotFit) {
  const Tensor x = point();
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { jvp(waves, x, ones({3}, kFloat64)); }),
                       "[jvp] got a tangent of shape (3,), expected (4,)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { vjp(waves, x, ones({3}, kFloat64)); }),
                       "[vjp] got a cotangent of shape (3,), expected (4,)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { hessian(waves, x); }),
                       "got a function whose result is (4,), expected one element. Hint: sum()"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { jacrev(waves, arange(4)); }),
                       "[jacrev] got an input of int64, expected float32 or float64"));
  EXPECT_TRUE(
      has_text(message_of<DTypeError>([&] { jacrev([](const Tensor&) { return Tensor(); }, x); }),
               "[jacrev] got a function whose result is undefined"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { vmap(waves)(ones({}, kFloat64)); }),
                       "[vmap] got (), expected slices along dimension 0"));
}

}  // namespace
}  // namespace descent
