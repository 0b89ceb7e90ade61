// K-FAC: trajectories against NumPy (tests/reference/kfac.py), and what the wrapper promises.
#include <descent/descent.h>

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/reference.h"

namespace descent {
namespace {

using optim::Kfac;
using optim::SGD;
using testing::deviation;

/// A net of layers [W b] that may run its second layer twice.
struct Net : nn::Module {
  Net(const std::vector<Tensor>& first, Activation activation, bool bias, bool twice)
      : activation_(activation), twice_(twice) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      const std::int64_t out = first[i].size(0), in = first[i].size(1) - (bias ? 1 : 0);
      nn::Linear layer(in, out, bias);
      layer.to(kFloat64);
      const NoGradGuard no_grad;
      Tensor(layer.weight).copy_(first[i].narrow(1, 0, in));
      if (bias) Tensor(layer.bias).copy_(first[i].select(1, in));
      layers_.push_back(register_module(to_text("layer", i), layer));
    }
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (std::size_t i = 0; i < layers_.size(); ++i)
      for (int uses = twice_ && i == 1 ? 2 : 1; uses > 0; --uses) {
        y = layers_[i](y);
        if (i + 1 == layers_.size()) continue;
        y = activation_ == Activation::relu   ? relu(y)
            : activation_ == Activation::tanh ? tanh(y)
                                              : sigmoid(y);
      }
    return y;
  }
  Activation activation_;
  bool twice_;
  std::vector<nn::Linear> layers_;
};

struct Case {
  Activation activation;
  Tensor (*loss)(const Tensor&, const Tensor&);
  SGD inner;
  Kfac options;
  bool bias = true, twice = false;
  double lr_bias = 0;  // 0: the rate of the weights
};
Tensor squares(const Tensor& z, const Tensor& y) { return nn::mse_loss(z, y); }
Tensor classes(const Tensor& z, const Tensor& y) { return nn::cross_entropy(z, y.to(kInt64)); }
Tensor logits(const Tensor& z, const Tensor& y) { return nn::bce_with_logits(z, y); }

std::map<std::string, Case> cases() {
  using enum Activation;
  return {
      {"classes", {tanh, classes, {.lr = 0.1, .momentum = 0.9}, {}}},
      {"curve", {tanh, squares, {.lr = 0.05, .momentum = 0.9}, {.damping = 0.01}}},
      {"curves", {sigmoid, squares, {.lr = 0.2}, {.damping = 0.1, .kl_clip = 1e30}}},
      {"logits", {relu, logits, {.lr = 0.1, .momentum = 0.5}, {.decay = 0.5}}},
      {"seldom", {tanh, classes, {.lr = 0.1, .momentum = 0.9}, {.frequency = 7}}},
      {"plain", {tanh, squares, {.lr = 0.05}, {.decay = 0}, false}},
      {"rates", {tanh, squares, {.lr = 0.02, .momentum = 0.5}, {.damping = 0.1}, true, false, 0.1}},
      {"shared", {tanh, squares, {.lr = 0.05, .momentum = 0.9}, {}, true, true}},
  };
}

/// The biases, or all parameters, or all but the biases.
Parameters biases_of(const nn::Module& net) {
  Parameters all = net.parameters();
  std::erase_if(all, [](const Parameter& p) { return p.value.dim() != 1; });
  return all;
}
Parameters weights_of(const nn::Module& net, bool alone) {
  Parameters all = net.parameters();
  if (alone) std::erase_if(all, [](const Parameter& p) { return p.value.dim() == 1; });
  return all;
}

class KfacTrajectory : public ::testing::TestWithParam<bool> {};

TEST_P(KfacTrajectory, IsTheReferences) {
  const auto reference = testing::read_reference("kfac.txt");
  EXPECT_EQ(reference.size(), cases().size());
  for (const auto& [name, c] : cases()) {
    const testing::ReferenceCase& r = reference.at(name);
    Net net(r.at("first"), c.activation, c.bias, c.twice);
    optim::Optimizer inner(weights_of(net, c.lr_bias > 0), c.inner);
    if (c.lr_bias > 0) inner.add_group(biases_of(net), SGD{.lr = c.lr_bias, .momentum = 0.5});
    optim::Optimizer o = optim::kfac(std::move(inner), c.options);
    const auto eager = [&, &loss_of = c.loss](const Tensor& x, const Tensor& y) {
      Tensor loss;
      o.step([&] {
        loss = loss_of(net(x), y);
        loss.backward();
        return loss;
      });
      return loss;
    };
    auto compiled = compile(eager);
    std::vector<double> losses;
    for (int i = 0; i < 300; ++i) {
      const Tensor &x = r.at("x")[0], &y = r.at("y")[0];
      losses.push_back((GetParam() ? compiled(x, y) : eager(x, y)).item());
    }
    EXPECT_LT(deviation(tensor(losses, {300}), r.at("losses")[0]), 1e-10) << name;
    for (std::size_t i = 0; i < net.layers_.size(); ++i) {
      const nn::Linear& layer = net.layers_[i];
      const Tensor w = layer.weight.detach();
      EXPECT_LT(
          deviation(c.bias ? cat({w, layer.bias.detach().unsqueeze(1)}, 1) : w, r.at("last")[i]),
          1e-10)
          << name;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, KfacTrajectory, ::testing::Bool(),
                         [](const auto& how) { return how.param ? "compiled" : "eager"; });

struct Problem {
  Tensor x = sin(arange(24).to(kFloat64)).reshape({8, 3}), y = sin(x.sum({1}, true) * 2);
  nn::Sequential net = seeded();
  static nn::Sequential seeded() {
    manual_seed(3);
    nn::Sequential made(nn::Linear(3, 4), nn::Tanh(), nn::Linear(4, 1));
    made.to(kFloat64);
    return made;
  }
  auto closure(Tensor (*loss)(const Tensor&, const Tensor&) = squares) {
    return [this, loss] {
      const Tensor value = loss(net(x), y);
      value.backward();
      return value;
    };
  }
};

TEST(Kfac, ResumesFromItsState) {
  Problem a, b;
  const auto make = [](Problem& p) {
    return optim::kfac({p.net.parameters(), SGD{.lr = 0.1, .momentum = 0.9}}, {.frequency = 4});
  };
  optim::Optimizer whole = make(a), first = make(b);
  for (int i = 0; i < 6; ++i) whole.step(a.closure()), first.step(b.closure());
  optim::Optimizer second = make(b);
  second.load_state_dict(first.state_dict());
  for (int i = 0; i < 6; ++i) whole.step(a.closure()), second.step(b.closure());
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(a.net.parameters()[i].value.to_vector(), b.net.parameters()[i].value.to_vector());
  EXPECT_EQ(whole.gradient_evaluations(), 12 + 3);
}

TEST(Kfac, LeavesOtherParametersTheirGradient) {
  Problem p, q;
  const auto with_scale = [](Problem& one, Tensor& scale) {
    scale = tensor(0.5, kFloat64).requires_grad_();
    Parameters all = one.net.parameters();
    all.push_back({"scale", scale});
    return all;
  };
  Tensor a, b;
  optim::Optimizer plain(with_scale(p, a), SGD{.lr = 0.1});
  optim::Optimizer curved = optim::kfac({with_scale(q, b), SGD{.lr = 0.1}});
  const auto step = [](optim::Optimizer& o, Problem& one, const Tensor& scale) {
    o.step([&] {
      const Tensor loss = nn::mse_loss(one.net(one.x) * scale, one.y);
      loss.backward();
      return loss;
    });
  };
  step(plain, p, a), step(curved, q, b);
  EXPECT_EQ(a.item(), b.item());
  EXPECT_NE(p.net.parameters()[0].value.to_vector(), q.net.parameters()[0].value.to_vector());
}

TEST(Kfac, TouchesNoOtherGradient) {
  Problem p, q;
  const auto loss_of = [](Problem& one, const Tensor& c) {
    return nn::mse_loss(one.net(one.x), one.y + c);  // the target is learned, and no layer holds it
  };
  Tensor a = zeros({8, 1}, kFloat64).requires_grad_(), b = a.clone().detach().requires_grad_();
  Parameters all = q.net.parameters();
  all.push_back({"c", b});
  optim::Optimizer curved = optim::kfac({all, SGD{.lr = 0.1}});
  loss_of(p, a).backward();
  curved.step([&] {
    const Tensor loss = loss_of(q, b);
    loss.backward();
    return loss;
  });
  EXPECT_EQ(b.to_vector(), (a.detach() - a.grad() * 0.1).to_vector());
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(q.net.parameters()[i].value.grad().to_vector(),
              p.net.parameters()[i].value.grad().to_vector());

  Problem r;  // the first layer belongs to another optimizer
  Parameters head = r.net.parameters();
  head.erase(head.begin(), head.begin() + 2);
  optim::Optimizer of_head = optim::kfac({head, SGD{.lr = 0.1}});
  const Tensor body = r.net.parameters()[0].value;
  nn::mse_loss(p.net(p.x), p.y).backward();
  of_head.step(r.closure());
  EXPECT_EQ(r.net.parameters()[0].value.grad().to_vector(),
            (p.net.parameters()[0].value.grad() / 2).to_vector());
}

TEST(Kfac, TakesTheArgumentsOfTheSquaredErrorInAnyOrder) {
  Problem p, q;
  optim::Optimizer a = optim::kfac({p.net.parameters(), SGD{.lr = 0.1}}),
                   b = optim::kfac({q.net.parameters(), SGD{.lr = 0.1}});
  for (int i = 0; i < 3; ++i) {
    a.step(p.closure());
    b.step(q.closure([](const Tensor& z, const Tensor& y) { return nn::mse_loss(y, z); }));
  }
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_LT(deviation(p.net.parameters()[i].value, q.net.parameters()[i].value), 1e-14);
}

TEST(Kfac, EvaluatesTheFactorsUntilItHasThem) {
  Problem p;
  optim::Optimizer o =
      optim::skip_non_finite(optim::kfac({p.net.parameters(), SGD{.lr = 0.1}}, {.frequency = 100}));
  const Tensor x = p.x;
  p.x = x * NAN;
  o.step(p.closure());
  EXPECT_EQ(o.gradient_evaluations(), 2);
  p.x = x;
  o.step(p.closure());
  o.step(p.closure());
  EXPECT_EQ(o.gradient_evaluations(), 2 + 2 + 1);
  EXPECT_EQ(o.skipped_steps(), 1);
}

TEST(Kfac, TakesItsStateInAnyOrderAndRefusesAnother) {
  Problem p, q;
  const auto in_order = [](const Problem& one, std::vector<std::size_t> order) {
    const Parameters all = one.net.parameters();
    Parameters chosen;
    for (const std::size_t i : order) chosen.push_back(all[i]);
    return optim::kfac({chosen, SGD{.lr = 0.1}}, {.frequency = 5});
  };
  optim::Optimizer a = in_order(p, {0, 1, 2, 3}), b = in_order(q, {0, 1, 2, 3});
  for (int i = 0; i < 2; ++i) a.step(p.closure()), b.step(q.closure());
  const optim::State state = b.state_dict();
  optim::Optimizer c = in_order(q, {3, 0, 2, 1});
  c.load_state_dict(state);
  for (int i = 0; i < 2; ++i) a.step(p.closure()), c.step(q.closure());
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(p.net.parameters()[i].value.to_vector(), q.net.parameters()[i].value.to_vector());

  const auto refusal = [&](const std::string& name, const Tensor& other) {
    optim::State changed = state;
    changed.at(name) = other;
    c.load_state_dict(changed);
    return testing::message_of<StateError>([&] { c.step(q.closure()); });
  };
  const std::string key = "kfac/factor/a/0.weight 0.bias";
  ASSERT_TRUE(state.contains(key));
  for (const Tensor& bad : {zeros({0}, kFloat64), zeros({5, 5}, kFloat64), eye(4),
                            eye(4, kFloat64) * NAN, -eye(4, kFloat64)})
    EXPECT_TRUE(testing::has_text(refusal(key, bad), "expected finite numbers of float64(4, 4)"));
  const auto unloaded = [&](const optim::State& changed) {
    return testing::message_of<StateError>([&] { c.load_state_dict(changed); });
  };
  optim::State of_another = state;
  of_another.erase(key);
  EXPECT_TRUE(
      testing::has_text(unloaded(of_another), "got the factor 's/0.weight 0.bias' without"));
  of_another = state;
  of_another["kfac/factor/x"] = eye(4, kFloat64);
  EXPECT_TRUE(testing::has_text(unloaded(of_another), "[kfac] got a factor 'x', expected names"));
  of_another = state;
  of_another["kfac/factor/a/0.bias"] = eye(4, kFloat64);
  of_another["kfac/factor/s/0.bias"] = eye(4, kFloat64);
  c.load_state_dict(of_another);
  EXPECT_TRUE(testing::has_text(
      testing::message_of<StateError>([&] { c.step(q.closure()); }),
      "[kfac] got factors of '0.bias', expected a weight (out, in) and a bias (out)"));
}

TEST(Kfac, WarnsOnceIfItFindsNoLayer) {
  const Tensor w = ones({3, 1}, kFloat64).requires_grad_(), x = ones({4, 3}, kFloat64);
  optim::Optimizer o = optim::kfac({{w}, SGD{.lr = 0.1}});
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level, std::string_view text) { heard.emplace_back(text); });
  for (int i = 0; i < 2; ++i)
    o.step([&] {
      const Tensor loss = nn::mse_loss(matmul(x, w), ones({4, 1}, kFloat64));
      loss.backward();
      return loss;
    });
  logging::set_sink({});
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(testing::has_text(heard[0], "kfac: got no Linear layer whose weight is a parameter"));
}

TEST(Kfac, DrawsTheSameUnitsInEveryEvaluation) {
  const Problem p;
  nn::Sequential a(nn::Linear(3, 4), nn::Dropout(0.5), nn::Linear(4, 1));
  a.to(kFloat64);
  optim::Optimizer o = optim::kfac({a.parameters(), SGD{.lr = 0.1}});
  std::vector<std::vector<double>> outputs;
  manual_seed(5);
  o.step([&] {
    const Tensor z = a(p.x), loss = nn::mse_loss(z, p.y);
    outputs.push_back(z.to_vector());
    loss.backward();
    return loss;
  });
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0], outputs[1]);
}

TEST(Kfac, NamesTheDampingThatIsTooSmall) {
  Problem p;
  p.x = ones({8, 3}, kFloat64);  // A has rank 1
  optim::Optimizer o = optim::kfac({p.net.parameters(), SGD{.lr = 0.1}}, {.damping = 1e-300});
  EXPECT_TRUE(testing::has_text(
      testing::message_of<ValueError>([&] { o.step(p.closure()); }),
      "[kfac] got damping = 1e-300, with which the factors of '0.weight 0.bias' are singular"));
}

TEST(Kfac, SaysWhatItCannotTake) {
  Problem p;
  optim::Optimizer o = optim::kfac({p.net.parameters(), SGD{.lr = 0.1}});
  const std::vector<double> before = p.net.parameters()[0].value.to_vector();
  const auto error = [&](auto loss) {
    return testing::message_of<ValueError>([&] { o.step(p.closure(loss)); });
  };
  using testing::has_text;
  EXPECT_TRUE(has_text(error([](const Tensor& z, const Tensor& y) { return nn::l1_loss(z, y); }),
                       "[kfac] got a loss whose Fisher matrix is not known, expected mse_loss, "
                       "bce_with_logits or cross_entropy of some rows"));
  EXPECT_TRUE(has_text(error([](const Tensor& z, const Tensor& y) {
                         return nn::mse_loss(z, y) + nn::bce_with_logits(z, (y > 0).to(kFloat64));
                       }),
                       "as a second loss, expected one"));
  EXPECT_TRUE(has_text(error([](const Tensor& z, const Tensor& y) {
                         return nn::mse_loss(z.unsqueeze(1), y.unsqueeze(1));
                       }),
                       "[kfac] got mse_loss of outputs (8, 1, 1), expected (N, C), or (N)"));
  EXPECT_EQ(p.net.parameters()[0].value.to_vector(), before);
  o.step(p.closure());  // goes on
  EXPECT_NE(p.net.parameters()[0].value.to_vector(), before);
  EXPECT_TRUE(has_text(testing::message_of<ValueError>([&] {
                         optim::kfac(optim::sam({p.net.parameters(), SGD{.lr = 0.1}}));
                       }),
                       "expected another order"));
}

}  // namespace
}  // namespace descent
