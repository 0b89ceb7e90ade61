// Curvature operators against matrices that are written down.
#include "tests/support/distance.h"
#include "tests/support/errors.h"

#include <descent/autograd/curvature.h>
#include <descent/descent.h>

#include <cmath>
#include <numbers>

namespace descent {
namespace {

using testing::distance;
using testing::has_text;
using testing::message_of;

/// A net of 18 weights with its data.
struct Problem {
  nn::Sequential model = make();
  Tensor x, y = tensor({0, 1, 2, 1, 0, 2, 1});
  std::vector<Tensor> weights;

  static nn::Sequential make() {
    manual_seed(2);
    nn::Sequential m(nn::Linear(2, 3), nn::Tanh(), nn::Linear(3, 3, false));
    m.to(kFloat64);
    return m;
  }
  Problem() {
    Generator generator(3);
    x = randn({7, 2}, generator, kFloat64);
    for (const Parameter& p : model.parameters()) weights.push_back(p.value);
  }
  Tensor loss() { return nn::cross_entropy(model(x), y); }
  /// The loss as a function of all weights in a row.
  Tensor at(const Tensor& all) {
    nn::NamedTensors tensors;
    std::int64_t begin = 0;
    for (const Parameter& p : model.parameters()) {
      tensors[p.name] = all.narrow(0, begin, p.value.numel()).reshape(p.value.shape());
      begin += p.value.numel();
    }
    return nn::functional_call(model, tensors, x);
  }
  Tensor flat() {
    std::vector<Tensor> all;
    for (const Tensor& w : weights) all.push_back(w.detach().flatten());
    return cat(all);
  }
};

/// A symmetric matrix with these eigenvalues, and its operator.
curvature::Operator with_eigenvalues(const Tensor& values, Tensor* matrix = nullptr) {
  Generator generator(9);
  const std::int64_t n = values.numel();
  const Tensor b = randn({n, n}, generator, kFloat64), q = eigh(matmul(b, b.t())).vectors;
  const Tensor m = matmul(q * values.unsqueeze(0), q.t());
  if (matrix) *matrix = m;
  return {n, kFloat64, [m](const Tensor& v) { return matmul(m, v.unsqueeze(1)).squeeze(1); }};
}

TEST(Curvature, OperatorsAreTheirMatrices) {
  Problem p;
  const Tensor all = p.flat();
  const Tensor h = hessian([&](const Tensor& w) { return nn::cross_entropy(p.at(w), p.y); }, all);
  const auto own = curvature::hessian(p.weights, [&] { return p.loss(); });
  EXPECT_LT(distance(own.dense(), h), 1e-14);

  // Jᵀ·H·J, with J and H written down.
  const Tensor j = jacobian([&](const Tensor& w) { return p.at(w).flatten(); }, all);
  const Tensor bend = hessian(
      [&](const Tensor& z) {
        return nn::cross_entropy(z.reshape({7, 3}), p.y);
      },
      p.at(all).flatten().detach());
  const auto gauss = curvature::gauss_newton(
      p.weights, [&] { return p.model(p.x); },
      [&](const Tensor& z) { return nn::cross_entropy(z, p.y); });
  EXPECT_LT(distance(gauss.dense(), matmul(j.t(), matmul(bend, j))), 1e-14);

  // The Fisher matrix of the model's distribution is the mean of g·gᵀ over its own labels.
  Tensor fisher = zeros({18, 18}, kFloat64);
  const Tensor share = softmax(p.model(p.x), 1).detach();
  for (const std::int64_t label : {0, 1, 2}) {
    const nn::NamedTensors each = nn::per_sample_grad(
        p.model,
        [](const Tensor& z, const Tensor& y) {
          return nn::cross_entropy(z, y, {.reduction = nn::Reduction::none});
        },
        p.x, full({7}, label, kInt64));
    std::vector<Tensor> rows;
    for (const Parameter& q : p.model.parameters()) rows.push_back(each.at(q.name).flatten(1));
    const Tensor g = cat(rows, 1);
    fisher = fisher + matmul(g.t(), g * share.select(1, label).unsqueeze(1)) / 7.0;
    EXPECT_LT(distance(curvature::empirical_fisher(g).dense(), matmul(g.t(), g) / 7.0), 1e-15);
  }
  EXPECT_LT(distance(gauss.dense(), fisher), 1e-14);
}

TEST(Curvature, TheHessianOfALinearModelIsItsGaussNewtonMatrix) {
  manual_seed(4);
  nn::Linear model(3, 2);
  model.to(kFloat64);
  Generator generator(5);
  const Tensor x = randn({6, 3}, generator, kFloat64), y = randn({6, 2}, generator, kFloat64);
  const std::vector<Tensor> weights{model.weight, model.bias};
  const auto h = curvature::hessian(weights, [&] { return nn::mse_loss(model(x), y); });
  const auto g = curvature::gauss_newton(
      weights, [&] { return model(x); }, [&](const Tensor& z) { return nn::mse_loss(z, y); });
  EXPECT_LT(distance(h.dense(), g.dense()), 1e-15);
}

TEST(Curvature, TracesAndDiagonalsAreEstimated) {
  // 20 large eigenvalues and many small ones: hutchpp finds the large ones.
  Tensor values = full({100}, 0.01, kFloat64), matrix;
  for (std::int64_t i = 0; i < 20; ++i) values[i] = 10.0 - static_cast<double>(i) / 4;
  const auto a = with_eigenvalues(values, &matrix);
  const double truth = values.sum().item();
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    Generator generator(seed);
    // Five standard deviations of Hutchinson's estimate: √(2/k)·‖A‖.
    const double spread = std::sqrt(2.0 / 200) * norm(matrix).item();
    EXPECT_NEAR(curvature::hutchinson_trace(a, 200, generator), truth, 5 * spread);
    EXPECT_NEAR(curvature::hutchpp_trace(a, 120, generator), truth, 0.2);
    const Tensor d = curvature::hutchinson_diag(a, 2000, generator);
    const Tensor beside = matrix.square().sum({1}) - diag(matrix).square();
    EXPECT_LT(max(abs(d - diag(matrix)) / sqrt(beside / 2000.0)).item(), 6);
  }
  const auto whole = with_eigenvalues(linspace(1, 5, 5, kFloat64));
  EXPECT_NEAR(curvature::hutchpp_trace(whole, 30), 15, 1e-12);  // the space is all there is
}

TEST(Curvature, LanczosFindsTheEndsOfTheSpectrum) {
  Tensor values = linspace(-1, 1, 80, kFloat64), matrix;
  values[79] = 4;
  values[0] = -2;
  const auto a = with_eigenvalues(values, &matrix);
  const curvature::Ritz few = curvature::lanczos(a, 30);
  EXPECT_NEAR(few.values[-1].item(), 4, 1e-10);
  EXPECT_NEAR(few.values[0].item(), -2, 1e-8);
  const Tensor top = few.vectors.select(1, 29);
  EXPECT_LT(distance(a * top, 4 * top), 1e-5);
  EXPECT_NEAR(few.weights.sum().item(), 1, 1e-12);
  EXPECT_LT(distance(curvature::lanczos(a, 500).values, values), 1e-10) << "all, once there are n";
  // A projection has two eigenvalues, so two vectors are all there is.
  Tensor ones_and_zeros = zeros({50}, kFloat64);
  for (std::int64_t i = 0; i < 10; ++i) ones_and_zeros[i] = 1;
  const curvature::Ritz two = curvature::lanczos(with_eigenvalues(ones_and_zeros), 20);
  EXPECT_LT(distance(two.values, tensor({0.0, 1.0}, kFloat64)), 1e-12);
}

TEST(Curvature, SpectralDensityCountsEigenvalues) {
  Tensor values = zeros({60}, kFloat64);
  for (std::int64_t i = 0; i < 15; ++i) values[i] = 2;
  const Tensor points = linspace(-1, 3, 401, kFloat64);
  Generator generator(6);
  const Tensor density =
      curvature::spectral_density(with_eigenvalues(values), points, 0.1, 400, 10, generator);
  EXPECT_NEAR(density.sum().item() * 0.01, 1, 1e-6);
  // A quarter lies near 2. The share of a random direction has a deviation of √(2·¼·¾/60) = 0.08,
  // and 400 of them 0.004.
  EXPECT_NEAR(density.slice(0, 250, 401).sum().item() * 0.01, 0.25, 0.02);
}

TEST(Curvature, ConjugateGradientsSolve) {
  Tensor matrix;
  const auto a = with_eigenvalues(linspace(1, 10, 40, kFloat64), &matrix);
  Generator generator(7);
  const Tensor b = randn({40}, generator, kFloat64);
  const curvature::Solution s = curvature::cg(a, b, 0.5, 1e-12, 100);
  EXPECT_LT(distance(s.x, solve(matrix + 0.5 * eye(40, 40, kFloat64), b)), 1e-11);
  EXPECT_LE(s.residual, 1e-12);
  EXPECT_LT(s.products, 60);
  EXPECT_EQ(curvature::cg(a, zeros({40}, kFloat64)).products, 0);
  const curvature::Solution bad =
      curvature::cg(with_eigenvalues(linspace(-1, 1, 40, kFloat64)), b, 0, 1e-12, 100);
  EXPECT_TRUE(bad.is_indefinite);
  EXPECT_TRUE(std::isfinite(bad.x.sum().item()));
}

TEST(Curvature, SaysWhatDoesNotFit) {
  Problem p;
  const auto h = curvature::hessian(p.weights, [&] { return p.loss(); });
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { h* ones({3}); }),
                       "[curvature] got a vector (3,), expected (18,)"));
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([&] { curvature::hessian(p.weights, [&] { return p.model(p.x); }); }),
      "[hessian] got a loss of shape (7, 3), expected one element"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { curvature::hutchpp_trace(h, 2); }),
                       "[hutchpp_trace] got products = 2, expected 3 or more"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { curvature::cg(h, ones({3})); }),
                       "[cg] got b (3,), expected (18,)"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { curvature::hessian({}, [&] { return p.loss(); }); }),
               "[curvature] got no weights, expected one or more"));
  EXPECT_THROW(curvature::hessian({p.x}, [&] { return p.loss(); }), GraphError);
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { curvature::empirical_fisher(ones({3})); }),
                       "[empirical_fisher] got gradients (3,), expected (N, n)"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { curvature::spectral_density(h, ones({3}), 0); }),
               "[spectral_density] got width 0, expected above 0"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         curvature::spectral_density(h, ones({3, 1}), 1);
                       }),
                       "[spectral_density] got points (3, 1), expected (k)"));
  {
    const NoGradGuard no_grad;
    p.weights[0].mul_(2);
  }
  EXPECT_THROW(h * ones({18}, kFloat64), GraphError);
}

}  // namespace
}  // namespace descent
