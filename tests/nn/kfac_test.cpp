// K-FAC's factors against the Gauss–Newton matrix, where both are equal, and by their definition.
#include "tests/support/distance.h"
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <descent/nn/kfac.h>

namespace descent {
namespace {

using testing::distance;
using testing::has_text;
using testing::message_of;

nn::Sequential net() {
  manual_seed(4);
  nn::Sequential m(nn::Linear(3, 4), nn::Tanh(), nn::Linear(4, 5, false), nn::GELU(),
                   nn::Linear(5, 3));
  m.to(kFloat64);
  return m;
}
std::vector<Tensor> weights_of(const nn::Module& m) {
  std::vector<Tensor> all;
  for (const Parameter& p : m.parameters()) all.push_back(p.value);
  return all;
}
Tensor inputs(std::int64_t n) {
  Generator generator(5);
  return randn({n, 3}, generator, kFloat64);
}
std::function<Tensor(const Tensor&)> cross_entropy_with(const Tensor& labels) {
  return [labels](const Tensor& z) { return nn::cross_entropy(z, labels); };
}

/// The blocks of a matrix on its diagonal that belong to whole layers, and 0 elsewhere.
Tensor diagonal_blocks(const Tensor& m, const std::vector<std::int64_t>& sizes) {
  const Tensor mask = zeros_like(m);
  std::int64_t at = 0;
  for (const std::int64_t n : sizes) {
    mask.narrow(0, at, n).narrow(1, at, n).fill_(1);
    at += n;
  }
  return m * mask;
}

TEST(Kfac, OfOneSampleIsTheGaussNewtonMatrixOfEachLayer) {
  nn::Sequential m = net();
  const Tensor x = inputs(1);
  const auto loss = cross_entropy_with(tensor({2}));
  const Tensor whole = curvature::gauss_newton(
                           weights_of(m), [&] { return m(x); }, loss)
                           .dense();
  const nn::Kfac k(m, x, loss);
  EXPECT_LE(distance(k.matrix().dense(), diagonal_blocks(whole, {16, 20, 18})), 1e-14);
}

TEST(Kfac, OfALinearModelWithAConstantHessianIsTheGaussNewtonMatrix) {
  manual_seed(6);
  nn::Sequential m(nn::Linear(3, 2));
  m.to(kFloat64);
  const Tensor x = inputs(9), y = x.narrow(1, 0, 2).clone();
  const auto loss = [&](const Tensor& z) { return nn::mse_loss(z, y); };
  const Tensor exact = curvature::gauss_newton(
                           weights_of(m), [&] { return m(x); }, loss)
                           .dense();
  EXPECT_LE(distance(nn::Kfac(m, x, loss).matrix().dense(), exact), 1e-14);
}

TEST(Kfac, FactorsAreMeansAndSumsOverTheSamples) {
  nn::Sequential m = net();
  const Tensor x = inputs(7), labels = tensor({0, 1, 2, 1, 0, 2, 1});
  const nn::Kfac all(m, x, cross_entropy_with(labels));
  for (std::size_t layer = 0; layer < 3; ++layer) {
    Tensor a, g;
    for (std::int64_t i = 0; i < 7; ++i) {
      const nn::Kfac one(m, x.narrow(0, i, 1), cross_entropy_with(labels.narrow(0, i, 1)));
      const auto& f = one.factors()[layer];
      a = a.defined() ? a + f.a : f.a;
      g = g.defined() ? g + f.g : f.g;
    }
    EXPECT_LE(distance(all.factors()[layer].a, a / 7), 1e-15) << layer;
    EXPECT_LE(distance(all.factors()[layer].g, g / 7), 1e-15) << layer;  // the loss is a mean
  }
}

TEST(Kfac, TheInverseSolves) {
  nn::Sequential m = net();
  const nn::Kfac k(m, inputs(7), cross_entropy_with(tensor({0, 1, 2, 1, 0, 2, 1})));
  Generator generator(8);
  const Tensor v = randn({m.num_parameters()}, generator, kFloat64);
  const Tensor u = k.inverse(0.01) * v;
  EXPECT_LE(distance(k.matrix() * u + u * 0.01, v), 1e-12);
  EXPECT_LE(distance(curvature::cg(k.matrix(), v, 0.01, 1e-12, 1000).x, u), 1e-8);
}

TEST(Kfac, LeavesOutFrozenLayers) {
  nn::Sequential m = net();
  const Tensor x = inputs(1);
  const auto loss = cross_entropy_with(tensor({1}));
  const Tensor all = nn::Kfac(m, x, loss).matrix().dense();
  for (const Parameter& p : m[0].parameters()) p.value.requires_grad_(false);
  const nn::Kfac k(m, x, loss);
  EXPECT_EQ(k.matrix().size(), 38);
  EXPECT_LE(distance(k.matrix().dense(), all.narrow(0, 16, 38).narrow(1, 16, 38)), 1e-15);
}

TEST(Kfac, SaysWhatItCannotDo) {
  nn::Sequential m = net();
  const auto loss = cross_entropy_with(tensor({1}));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { nn::Kfac(m, inputs(1)[0], loss); }),
                       "expected (N, in) of one sample"));
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([&] { nn::Kfac(m, inputs(1), [](const Tensor& z) { return z; }); }),
      "got a loss of shape (1, 3)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::Kfac(m, inputs(1), loss).inverse(0); }),
                       "got damping = 0"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { nn::Kfac(m, inputs(0), loss); }),
                       "got x (0, 3), expected (N, in) of one sample or more"));
  nn::Sequential bare{nn::Tanh()};
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::Kfac(bare, inputs(1), loss); }),
                       "got a model without Linear layers"));
  nn::Sequential normed(nn::Linear(3, 3), nn::LayerNorm(3));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::Kfac(normed, inputs(1), loss); }),
                       "expected a Sequential of Linear layers and activations"));
  const nn::Linear shared(3, 3);
  nn::Sequential tied(shared, nn::Tanh(), shared);
  tied.to(kFloat64);
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { nn::Kfac(tied, inputs(1), loss); }), "in 2 layers"));
  m[0].parameters()[1].value.requires_grad_(false);
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { nn::Kfac(m, inputs(1), loss); }), "the rest frozen"));
}

}  // namespace
}  // namespace descent
