// Recurrent layers, lists of modules, modules with several inputs, and layers that scale.
#include <descent/descent.h>
#include "tests/support/errors.h"

#include <gtest/gtest.h>
#include <cmath>

namespace {

using namespace descent;
using descent::testing::has_text;
using descent::testing::message_of;
using Doubles = std::vector<double>;

template <class Layer>
class Recurrence : public ::testing::Test {};
using Kinds = ::testing::Types<nn::RNN, nn::LSTM, nn::GRU>;
TYPED_TEST_SUITE(Recurrence, Kinds);

TYPED_TEST(Recurrence, GoesOnFromAState) {
  manual_seed(1);
  TypeParam layer(2, 3, 2);
  const Tensor x = randn({5, 4, 2});
  const auto [whole, end] = layer.sequence(x);
  const auto [first, middle] = layer.sequence(x.slice(0, 0, 2));
  const auto [second, last] = layer.sequence(x.slice(0, 2), middle);
  EXPECT_TRUE(allclose(cat({first, second}), whole, 1e-6, 1e-6));
  EXPECT_TRUE(allclose(last.h, end.h, 1e-6, 1e-6));
  EXPECT_TRUE(allclose(end.h[1], whole[-1], 0, 0));
  EXPECT_EQ(end.c.defined(), (std::is_same_v<TypeParam, nn::LSTM>));
  EXPECT_EQ(layer.parameters()[4].name, "weight_ih_l1");
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         layer(zeros({3, 2}));
                       }),
                       "got (3, 2), expected (T, N, 2) with at least one step"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         layer.sequence(x, {zeros({1, 4, 3})});
                       }),
                       "got a state of (1, 4, 3), expected (2, 4, 3)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { TypeParam(0, 3); }), "expected 1 or more"));
}

TYPED_TEST(Recurrence, LearnsAndClones) {
  manual_seed(2);
  TypeParam layer(1, 8);
  nn::Linear head(8, 1);
  Parameters all = layer.parameters();
  for (const Parameter& p : head.parameters()) all.push_back({"head." + p.name, p.value});
  optim::Optimizer adam(all, optim::Adam{.lr = 0.02});
  const Tensor x = randn({6, 32, 1}), target = sum(x, {0});
  double first = 0, last = 0;
  for (int i = 0; i < 150; ++i) {
    last = adam.step([&] {
      const Tensor loss = nn::mse_loss(head(layer(x)[-1]), target);
      loss.backward();
      return loss;
    });
    if (i == 0) first = last;
  }
  EXPECT_LT(last, first * 0.1);
  TypeParam copy = clone(layer);
  EXPECT_TRUE(allclose(copy(x), layer(x), 0, 0));
  EXPECT_FALSE(copy.parameters()[0].value.shares_storage(layer.parameters()[0].value));
}

TEST(ModuleList, HoldsModulesOfAnyType) {
  struct Residual : nn::Cloneable<Residual> {
    nn::ModuleList layers = register_module("layers", nn::ModuleList(nn::Linear(3, 3), nn::Tanh()));
    Residual() { layers.push_back(nn::Linear(3, 3)); }
    Tensor forward(const Tensor& x) override {
      Tensor y = x;
      for (nn::Module& layer : layers) y = layer(y) + x;
      return y;
    }
    using Module::forward;
    Tensor forward(const Tensor& x, const Tensor& scale) { return forward(x) * scale; }
  };
  Residual net;
  EXPECT_EQ(net.parameters().size(), 4U);
  EXPECT_EQ(net.layers.size(), 3U);
  EXPECT_EQ(net.layers.at<nn::Linear>(2).weight.shape(), Shape({3, 3}));
  EXPECT_EQ(net.layers[1].configuration(), "Tanh");
  const Tensor x = ones({2, 3});
  EXPECT_TRUE(allclose(net(x, full({}, 2.0)), net(x) * 2, 1e-6, 1e-6));
  Residual copy = net.clone();
  EXPECT_TRUE(allclose(copy(x), net(x), 0, 0));
  copy.layers.at<nn::Linear>(0).weight = zeros({3, 3});
  EXPECT_FALSE(allclose(copy(x), net(x), 1e-3, 1e-3));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { net.layers.at<nn::Linear>(1); }),
                       "got module 1, which is Tanh, expected Linear"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { net.layers[3]; }), "expected one below 3"));
  EXPECT_TRUE(has_text(message_of<Error>([&] {
                         net(ones({2, 4}), full({}, 1.0));
                       }),
                       "in Residual.0 (Linear 3 -> 3)"));
  nn::Sequential model(nn::Linear(3, 2), nn::ReLU());
  int count = 0;
  for (nn::Module& m : model) count += m.num_parameters() > 0;
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(has_text(model[0].configuration(), "Linear 3 -> 2"));
}

TEST(Cloneable, MayReturnAnything) {
  struct ActorCritic : nn::Cloneable<ActorCritic> {
    using Module::forward;
    nn::Linear actor = register_module("actor", nn::Linear(3, 2));
    nn::Linear critic = register_module("critic", nn::Linear(3, 1));
    std::pair<Tensor, Tensor> forward(const Tensor& x, const Tensor& y) {
      return {actor(x), critic(y)};
    }
  };
  ActorCritic net;
  const auto [policy, value] = net(ones({2, 3}), ones({2, 3}));
  EXPECT_EQ(policy.shape(), Shape({2, 2}));
  EXPECT_EQ(value.shape(), Shape({2, 1}));
  const nn::Sequential fixed(nn::Linear(3, 2));
  EXPECT_EQ(fixed(ones({1, 3})).shape(), Shape({1, 2}));
}

TEST(Module, SetsAParameterByName) {
  nn::Sequential model(nn::Linear(2, 2), nn::Linear(2, 1));
  model.set_parameter("1.bias", full({1}, 3.0));
  EXPECT_EQ(model.at<nn::Linear>(1).bias.item(), 3);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { model.set_parameter("1.bais", ones({1})); }),
                       "did you mean '1.bias'?"));
}

TEST(Standardize, ScalesAndIsSaved) {
  const data::Dataset iris = data::iris();
  const data::Standardizer s = data::Standardizer::fit(iris.x);
  nn::Sequential model(nn::Standardize(s.mean, s.std), nn::Linear(4, 3));
  EXPECT_TRUE(allclose(model[0](iris.x), s.apply(iris.x), 1e-6, 1e-6));
  EXPECT_EQ(model.parameters().size(), 2U);
  EXPECT_TRUE(model.state_dict().contains("0.mean"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::Standardize(ones({2}), zeros({2})); }),
                       "a deviation that is not above 0"));
}

TEST(FocalLoss, IsCrossEntropyAtGammaZeroAndHoldsAtTheEdges) {
  const Tensor logits = randn({5, 3}), labels = tensor({0, 1, 2, 0, 1});
  EXPECT_NEAR(nn::focal_loss(logits, labels, 0).item(), nn::cross_entropy(logits, labels).item(),
              1e-6);
  const Tensor sure = tensor({{1000.0, 0.0}, {0.0, 1000.0}}).requires_grad_();
  const Tensor loss = nn::focal_loss(sure, tensor({0, 0}), 0.5);
  EXPECT_NEAR(loss.item(), 500, 1e-3);
  loss.backward();
  for (const double g : sure.grad().to_vector()) EXPECT_TRUE(std::isfinite(g));
}

TEST(QuantileLoss, FindsTheQuantile) {
  Generator generator(3);
  const Tensor x = rand({4001, 1}, generator);
  Tensor q = full({1}, 0.5).requires_grad_();
  optim::Optimizer sgd({{"q", q}}, optim::SGD{.lr = optim::ramp(0.5, 0, 400)});
  for (int i = 0; i < 400; ++i)
    sgd.step([&] {
      const Tensor loss = nn::quantile_loss(q.expand({4001, 1}), x, 0.9);
      loss.backward();
      return loss;
    });
  EXPECT_NEAR(q.item(), 0.9, 0.02);
}

TEST(Metrics, AloneAreThoseOfTheList) {
  const Tensor p = softmax(randn({50, 3}), 1), y = argmax(p + randn({50, 3}) * 0.1, 1);
  const auto all = nn::classification_measures(p, y, {.resamples = 0});
  EXPECT_EQ(nn::balanced_accuracy(p, y), all[1].value);
  EXPECT_EQ(nn::f1_score(p, y), all[2].value);
  EXPECT_EQ(nn::auc(p, y), all[3].value);
  EXPECT_NEAR(nn::recall(p, y), all[1].value, 1e-12);
  const Tensor counts = nn::confusion_matrix(p, y).to(kFloat64);
  EXPECT_NEAR(nn::precision(p, y), mean(diag(counts) / counts.sum(0)).item(), 1e-12);
  const Tensor a = tensor({1.0, 2.0, 4.0}), b = tensor({1.0, 3.0, 3.0});
  EXPECT_NEAR(nn::mean_absolute_error(a, b), 2.0 / 3, 1e-6);
  EXPECT_NEAR(nn::rmse(a, b), std::sqrt(2.0 / 3), 1e-6);
  EXPECT_NEAR(nn::r2_score(a, b), 1 - 2 / (8.0 / 3), 1e-6);
}

TEST(Layers, RefuseWhatTheyCannotTake) {
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         nn::PReLU(3)(ones({2, 4}));
                       }),
                       "[PReLU] got (2, 4), expected (N, 3, …)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::PReLU(0); }), "[PReLU]"));
  EXPECT_TRUE(
      has_text(message_of<ShapeError>([] { nn::Standardize(zeros({2}), ones({2}))(ones({3})); }),
               "[Standardize] got (3,), expected (…, 2)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] { nn::Standardize(zeros({2}), ones({3})); }),
                       "got (2,) and (3,), expected (D) twice"));
}

TEST(Losses, RefuseWhatWouldTrainNothing) {
  const Tensor one = zeros({4, 1}), three = zeros({4, 3}), labels = tensor({0, 1, 2, 0});
  EXPECT_TRUE(
      has_text(message_of<ShapeError>([&] { nn::cross_entropy(three, labels.unsqueeze(1)); }),
               "[cross_entropy] got labels (4, 1), expected (N). Hint: labels.squeeze(1)"));
  for (const Tensor& target : {zeros({4}, kInt64), ones({4, 1})})
    EXPECT_TRUE(
        has_text(message_of<ShapeError>([&] { nn::cross_entropy(one, target); }),
                 "of one class, whose loss is always 0, expected two classes or more. Hint: "
                 "for one logit use bce_with_logits()"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::focal_loss(three, labels, -1); }),
                       "[focal_loss] got gamma = -1, expected 0 or more"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::focal_loss(three, labels + 1); }),
                       "got label 3 at position 2"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::quantile_loss(one, one, 1); }),
                       "[quantile_loss] got q = 1, expected a number in (0, 1)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { nn::auc(ones({4}), labels); }),
                       "Hint: for one probability p (N) of class 1, stack({1 - p, p}, 1)"));
}

TEST(Module, IsCalledByItsClassInErrors) {
  struct Tower : nn::Module {
    nn::Linear fc = register_module("fc", nn::Linear(3, 2));
    Tensor forward(const Tensor& x) override { return fc(x); }
  };
  struct Wide : nn::Module {
    Tower left = register_module("left", Tower());
    Tensor forward(const Tensor& x) override { return left(x); }
  };
  Wide wide;
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         wide(ones({1, 5}));
                       }),
                       "in Wide.left.fc (Linear 3 -> 2)"));
  EXPECT_TRUE(has_text(wide.summary(), "Tower"));
  EXPECT_EQ(wide.configuration(), "Wide");
}

}  // namespace
