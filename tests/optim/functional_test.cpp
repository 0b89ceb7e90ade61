// Updates as functions: they are the optimizers' updates, and can be differentiated.
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <descent/optim/functional.h>

namespace descent {
namespace {

namespace functional = optim::functional;
using functional::State;
using testing::has_text;
using testing::message_of;

Tensor data() {
  Generator generator(4);
  return randn({12, 3}, generator, kFloat64);
}
/// A loss with a weight matrix and a bias; no function of `spare`.
Tensor loss_of(const functional::Tensors& w, const Tensor& x) {
  return tanh(matmul(x, w[0]) + w[1]).square().sum() / 12.0 + w[0].square().sum() * 0.1;
}
functional::Tensors start() {
  return {sin(arange(0, 6, 1, kFloat64)).reshape({3, 2}), cos(arange(0, 2, 1, kFloat64))};
}

using Step = std::function<State(const State&, const functional::Tensors&)>;

/// The weights after 20 steps, which can be differentiated by what `step` depends on.
State after_steps(const Step& step, const functional::Tensors& from) {
  State s{from};
  for (int i = 0; i < 20; ++i) {
    functional::Tensors w = s.weights;
    for (Tensor& t : w)
      if (!t.requires_grad()) t = t.detach().requires_grad_();
    s.weights = w;
    s = step(s, grad({loss_of(w, data())}, w, {}, {.create_graph = true}));
  }
  return s;
}

TEST(FunctionalOptim, StepsAreThoseOfTheOptimizers) {
  const std::vector<std::tuple<const char*, const char*, Step>> all{
      {"sgd", "sgd(lr=0.05, momentum=0.9, weight_decay=0.01)",
       [](const State& s, const functional::Tensors& g) {
         return functional::sgd(s, g, {.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01});
       }},
      {"nesterov", "nesterov(lr=0.05, momentum=0.8)",
       [](const State& s, const functional::Tensors& g) {
         return functional::sgd(s, g, {.lr = 0.05, .momentum = 0.8, .nesterov = true});
       }},
      {"adam", "adam(lr=0.05, beta2=0.99, weight_decay=0.1)",
       [](const State& s, const functional::Tensors& g) {
         return functional::adam(s, g, {.lr = 0.05, .beta2 = 0.99, .weight_decay = 0.1});
       }},
      {"adamw", "adamw(lr=0.05, weight_decay=0.1)",
       [](const State& s, const functional::Tensors& g) {
         return functional::adamw(s, g, {.lr = 0.05, .weight_decay = 0.1});
       }}};
  for (const auto& [name, text, step] : all) {
    const State s = after_steps(step, start());
    functional::Tensors own = start();
    for (Tensor& t : own) t.requires_grad_();
    optim::Optimizer o = optim::make(text, {{"w", own[0]}, {"b", own[1]}});
    for (int i = 0; i < 20; ++i)
      o.step([&] {
        const Tensor l = loss_of(own, data());
        l.backward();
        return l;
      });
    for (std::size_t k = 0; k < 2; ++k)
      EXPECT_LT(max(abs(s.weights[k] - own[k])).item(), 1e-13) << name;
    EXPECT_EQ(s.steps, 20);
  }
}

TEST(FunctionalOptim, DifferentiatesByEverySetting) {
  const Tensor other = data() * 0.7 + 0.1;  // the validation data
  using Make = std::function<Step(const Tensor&)>;
  const std::vector<std::tuple<const char*, double, Make>> all{
      {"sgd's rate", 0.05,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::sgd(s, g, {.lr = v, .momentum = 0.9});
         };
       }},
      {"momentum", 0.8,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::sgd(s, g, {.lr = 0.05, .momentum = v, .nesterov = true});
         };
       }},
      {"adam's rate", 0.03,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::adam(s, g, {.lr = v});
         };
       }},
      {"beta1", 0.85,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::adam(s, g, {.lr = 0.03, .beta1 = v});
         };
       }},
      {"beta2", 0.95,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::adam(s, g, {.lr = 0.03, .beta2 = v});
         };
       }},
      {"adamw's rate", 0.03,
       [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::adamw(s, g, {.lr = v, .weight_decay = 0.1});
         };
       }},
      {"weight decay", 0.1, [](const Tensor& v) {
         return [v](const State& s, const functional::Tensors& g) {
           return functional::adamw(s, g, {.lr = 0.03, .weight_decay = v});
         };
       }}};
  for (const auto& [name, value, make] : all) {
    const auto validation = [&, &make_step = make](const Tensor& v) {
      return loss_of(after_steps(make_step(v), start()).weights, other);
    };
    const Tensor v = full({}, value, kFloat64).requires_grad_();
    const double slope = grad({validation(v)}, {v})[0].item();
    constexpr double kStep = 1e-5;
    const double numeric = (validation(full({}, value + kStep, kFloat64)).item() -
                            validation(full({}, value - kStep, kFloat64)).item()) /
                           (2 * kStep);
    EXPECT_NEAR(slope, numeric, 1e-6 * std::max(1.0, std::fabs(numeric))) << name;
    EXPECT_NE(slope, 0) << name;
  }
}

TEST(FunctionalOptim, DifferentiatesByTheStart) {
  functional::Tensors from = start();
  for (Tensor& t : from) t.requires_grad_();
  const Step step = [](const State& s, const functional::Tensors& g) {
    return functional::adam(s, g, {.lr = 0.03});
  };
  const Tensor by_bias = grad({loss_of(after_steps(step, from).weights, data())}, {from[1]})[0];
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto moved = [&](double h) {
      functional::Tensors w = start();
      w[1][k] = w[1][k].item() + h;
      return loss_of(after_steps(step, w).weights, data()).item();
    };
    EXPECT_NEAR(by_bias[k].item(), (moved(1e-6) - moved(-1e-6)) / 2e-6, 1e-8);
  }
}

TEST(FunctionalOptim, AGradientOfZeroHasAFiniteSlope) {
  // A weight that the loss does not use keeps v = 0, where √v has no slope.
  const Tensor lr = full({}, 0.1, kFloat64).requires_grad_();
  State s{{ones({2}, kFloat64).requires_grad_()}};
  for (int i = 0; i < 3; ++i) {
    const Tensor l = (s.weights[0] * tensor({1.0, 0.0}, kFloat64)).square().sum();
    s = functional::adam(s, grad({l}, s.weights, {}, {.create_graph = true}), {.lr = lr});
  }
  const Tensor by_rate = grad({s.weights[0].sum()}, {lr})[0];
  EXPECT_TRUE(std::isfinite(by_rate.item()));
  EXPECT_EQ(s.weights[0][1].item(), 1);
}

TEST(FunctionalOptim, SaysWhatDoesNotFit) {
  const State s{start()};
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { functional::sgd(s, {start()[0]}); }),
                       "[sgd] got 1 gradients for 2 weights"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         functional::adamw(s, {start()[1], start()[1]});
                       }),
                       "[adamw] got a gradient (2,) for weight 0, expected (3, 2)"));
  EXPECT_TRUE(
      has_text(message_of<ShapeError>([&] { functional::sgd(s, start(), {.lr = ones({2})}); }),
               "[optim] got a setting of shape (2,), expected one element"));
  const State kept = functional::sgd(s, {Tensor(), start()[1]});
  EXPECT_TRUE(kept.weights[0].is_same(s.weights[0]));
}

TEST(FunctionalUpdates, RefuseAStateThatDoesNotFit) {
  namespace fn = optim::functional;
  const fn::State short_one{{ones({2}), ones({2})}, {zeros({2})}};
  EXPECT_TRUE(testing::has_text(testing::message_of<ShapeError>([&] {
                                  fn::sgd(short_one, {ones({2}), ones({2})});
                                }),
                                "got a state that keeps 1 tensors for 2 weights"));
  EXPECT_TRUE(testing::has_text(testing::message_of<ShapeError>([&] {
                                  fn::adam(short_one, {ones({2}), ones({2})});
                                }),
                                "got a state that keeps"));
  EXPECT_TRUE(testing::has_text(testing::message_of<ValueError>(
                                    [&] { fn::sgd({{ones({2})}}, {ones({2})}, {.lr = Tensor()}); }),
                                "got a setting without a tensor"));
  EXPECT_EQ(fn::sgd({{ones({1})}}, {ones({1})}, {.lr = 1, .momentum = 0}).weights[0].item(), 0);
}

}  // namespace
}  // namespace descent
