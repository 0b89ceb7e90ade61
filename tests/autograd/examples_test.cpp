// Examples in comments of public headers: each example compiles and gives the values that its
// comment says.
#include <descent/core/simd/pack.h>
#include <descent/descent.h>

#include <gtest/gtest.h>

namespace descent {
namespace {

using Doubles = std::vector<double>;

TEST(Examples, OfIndexing) {
  EXPECT_EQ(gather(tensor({{1., 2.}, {3., 4.}}), 1, tensor({{1}, {0}})).to_vector(),
            (Doubles{2, 3}));
  EXPECT_EQ(one_hot(tensor({0, 2}), 3).to_vector(), (Doubles{1, 0, 0, 0, 0, 1}));
  const Tensor x = tensor({-1.0, 2.0});
  EXPECT_TRUE(allclose(where(x > 0, x, 0.01 * x), tensor({-0.01, 2.0})));
}

TEST(Examples, OfShapes) {
  EXPECT_EQ(cat({zeros({2, 3}), ones({1, 3})}).shape(), (Shape{3, 3}));
  EXPECT_EQ(stack({zeros({3}), ones({3})}).shape(), (Shape{2, 3}));
  EXPECT_EQ(arange(10).slice(0, 2, 8, 3).to_vector(), (Doubles{2, 5}));
  EXPECT_EQ(arange(5).to_vector(), (Doubles{0, 1, 2, 3, 4}));
  EXPECT_EQ(arange(1, 2, 0.5).to_vector(), (Doubles{1, 1.5}));
  const Tensor x = ones({2, 3});
  EXPECT_EQ(sum(x).shape(), Shape{});
  EXPECT_EQ(sum(x, 0).shape(), (Shape{3}));
  EXPECT_EQ(sum(x, 0, true).shape(), (Shape{1, 3}));
}

TEST(Examples, OfProducts) {
  const Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}}), b = tensor({{0.0, 1.0}, {1.0, 0.0}});
  EXPECT_EQ(einsum("ij,jk->ik", {a, b}).to_vector(), matmul(a, b).to_vector());
  EXPECT_EQ(einsum("ii->i", {a}).to_vector(), (Doubles{1, 4}));
}

TEST(Examples, OfGradients) {
  const Tensor x = tensor({3.0}).requires_grad_(), y = x * x * x;
  Tensor slope = grad({y}, {x}, {}, {.create_graph = true})[0];  // dy/dx
  Tensor curvature = grad({slope}, {x})[0];                      // d²y/dx²
  EXPECT_EQ(slope.item(), 27);
  EXPECT_EQ(curvature.item(), 18);

  nn::Linear model(2, 1);
  Tensor loss = mean(square(model(ones({4, 2}))));
  loss.backward({}, {.retain_graph = true});  // a second backward() may follow
  loss.backward();
  double total = 0;
  for (const Parameter& p : model.parameters())
    if (const Tensor& g = grad_of(p.value); g.defined()) total += g.square().sum().item();
  EXPECT_GT(total, 0);

  const Tensor in = randn({3, 2}, kFloat64).requires_grad_();
  const auto result = gradcheck([](const auto& inputs) { return tanh(inputs[0]); }, {in});
  EXPECT_TRUE(result) << result.message;
}

TEST(Examples, OfGuards) {
  const Tensor weight = tensor({2.0}).requires_grad_();
  const NoGradGuard no_grad;
  weight.mul_(0.5);
  EXPECT_EQ(weight.item(), 1);
}

TEST(Examples, OfLoops) {
  std::vector<float> x(100, 3), y(100);
  parallel_for(100, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y[static_cast<std::size_t>(i)] = 2 * x[static_cast<std::size_t>(i)];
  });
  EXPECT_EQ(y, std::vector<float>(100, 6));
  simd::loop_packs(
      100, [](auto& w, auto g) { w -= 0.5 * g; }, y.data(), x.data());
  EXPECT_EQ(y, std::vector<float>(100, 4.5f));
  std::vector<float> v(100);
  const float eta = 1, eps = 0;
  simd::loop_packs(
      100,
      [=](auto& w, auto g, auto& s) {
        s += g * g;
        w -= eta * g / (sqrt(s) + eps);
      },
      y.data(), x.data(), v.data());
  EXPECT_NEAR(y[50], 3.5f, 1e-6);
}

TEST(Examples, OfDataAndModules) {
  auto [train, test] = data::split(data::wine(), 0.8);
  const auto scale = data::Standardizer::fit(train.x);
  scale.apply(train), scale.apply(test);
  EXPECT_NEAR(train.x.mean().item(), 0, 1e-5);
  nn::Sequential model(nn::Linear(13, 32), nn::ReLU(), nn::Linear(32, 3));
  EXPECT_EQ(model(train.x).shape(), (Shape{train.size(), 3}));
  nn::init::kaiming_normal_(nn::Linear(4, 5).weight);
}

TEST(Examples, OfText) {
  EXPECT_EQ(to_text("got ", Shape{2, 3}, ", rate ", 1e-3), "got (2, 3), rate 0.001");
  EXPECT_EQ(nearest_match("adm", std::vector<std::string>{"sgd", "adam"}), "adam");
}

}  // namespace
}  // namespace descent
