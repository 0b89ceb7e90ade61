// A compiled step must give the same bits as the eager step, for every optimizer, wrapper, layer
// and loss.
#include "tests/optim/all_optimizers.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

using testing::all_optimizers;

/// The losses of some steps, and the parameters, buffers and optimizer state after these steps.
struct Outcome {
  std::vector<double> losses;
  std::map<std::string, std::vector<double>> state;
};

using MakeOptimizer = std::function<optim::Optimizer(Parameters)>;
using MakeNet = std::function<nn::Sequential()>;
using LossOf = std::function<Tensor(const Tensor& output, const Tensor& x)>;

Outcome train(bool compiled, const MakeNet& make_net, const LossOf& loss_of,
              const MakeOptimizer& make, const Tensor& data, int steps = 6) {
  manual_seed(11);
  nn::Sequential net = make_net();
  optim::Optimizer optimizer = make(net.parameters());
  const auto step = [&](const Tensor& x) {
    Tensor first;
    optimizer.step([&] {
      const Tensor l = testing::returned(optimizer, loss_of(net(x), x));
      if (!first.defined()) first = l;
      return l;
    });
    return first;
  };
  auto fast = compile(step);
  Outcome run;
  for (int i = 0; i < steps; ++i) {
    const Tensor x = is_floating(data.dtype()) ? data * (1 + 0.1 * i) : data;
    run.losses.push_back((compiled ? fast(x) : step(x)).item());
  }
  for (const auto& [key, t] : net.state_dict()) run.state[key] = t.to_vector();
  for (const auto& [key, t] : optimizer.state_dict())
    // If SAM's climb is 0, or K-FAC's factors are not due, an eager step leaves out evaluations,
    // but a compiled step does not.
    if (key != "optimizer/gradient_evaluations") run.state[key] = t.to_vector();
  return run;
}

void expect_equal(const Outcome& eager, const Outcome& compiled, const std::string& what) {
  EXPECT_EQ(eager.losses, compiled.losses) << what;
  ASSERT_EQ(eager.state.size(), compiled.state.size()) << what;
  for (const auto& [key, values] : eager.state)
    EXPECT_EQ(values, compiled.state.at(key)) << what << ", " << key;
}

Tensor some_data() {
  Generator g(7);
  return randn({6, 5}, g);
}
Tensor squares(const Tensor& output, const Tensor&) {
  return nn::mse_loss(output, zeros_like(output));
}
optim::Optimizer adam(Parameters p) { return {std::move(p), optim::Adam{.lr = 0.01}}; }

TEST(CompiledStep, GivesTheBitsOfEveryOptimizerAndWrapper) {
  const auto net = [] { return nn::Sequential(nn::Linear(5, 4), nn::Tanh(), nn::Linear(4, 2)); };
  for (const auto& [name, description] : all_optimizers()) {
    if (name == "muon" || name == "sophia" || name == "looksam" || testing::searches(description))
      continue;  // refused, as below
    const auto make = [d = description](Parameters p) { return optim::make(d, std::move(p)); };
    expect_equal(train(false, net, squares, make, some_data()),
                 train(true, net, squares, make, some_data()), name);
  }
}

TEST(CompiledStep, RefusesRulesWhoseStepsDiffer) {
  const auto net = [] { return nn::Sequential(nn::Linear(5, 2)); };
  for (const char* rule :
       {"lbfgs", "bfgs", "cg", "lm", "newton_cg", "cmaes", "polyak", "sophia", "looksam(sgd)"}) {
    const auto make = [&](Parameters p) { return optim::make(rule, std::move(p)); };
    try {
      train(true, net, squares, make, some_data());
      FAIL() << rule;
    } catch (const GraphError& e) {
      EXPECT_NE(std::string(e.what()).find("inside compile()"), std::string::npos) << e.what();
    }
  }
}

TEST(CompiledStep, ReadsSchedulesAtEachStep) {
  const auto net = [] { return nn::Sequential(nn::Linear(5, 2)); };
  const auto make = [](Parameters p) {
    return optim::Optimizer(std::move(p), optim::SGD{.lr = optim::cosine(0.1, 6)});
  };
  const Outcome eager = train(false, net, squares, make, some_data());
  expect_equal(eager, train(true, net, squares, make, some_data()), "cosine");
  EXPECT_NE(eager.state, train(false, net, squares, adam, some_data()).state);
}

TEST(CompiledStep, GivesTheBitsOfEveryLayer) {
  using namespace nn;
  const std::map<std::string, MakeNet> nets{
      {"Linear without bias", [] { return Sequential(Linear(5, 3, false)); }},
      {"ReLU", [] { return Sequential(Linear(5, 7), ReLU(), Linear(7, 3)); }},
      {"Sigmoid", [] { return Sequential(Linear(5, 7), Sigmoid(), Linear(7, 3)); }},
      {"SiLU", [] { return Sequential(Linear(5, 7), SiLU(), Linear(7, 3)); }},
      {"Softplus", [] { return Sequential(Linear(5, 7), Softplus(), Linear(7, 3)); }},
      {"Identity", [] { return Sequential(Linear(5, 7), Identity()); }},
      {"GELU", [] { return Sequential(Linear(5, 7), GELU(), Linear(7, 3)); }},
      {"GELU tanh", [] { return Sequential(Linear(5, 7), GELU(GeluForm::tanh)); }},
      {"LeakyReLU", [] { return Sequential(Linear(5, 7), LeakyReLU(), Linear(7, 3)); }},
      {"ELU", [] { return Sequential(Linear(5, 7), ELU(), Linear(7, 3)); }},
      {"Softmax", [] { return Sequential(Linear(5, 7), Softmax(1), Linear(7, 3)); }},
      {"Softmax of columns", [] { return Sequential(Linear(5, 7), Softmax(0), Linear(7, 3)); }},
      {"LogSoftmax", [] { return Sequential(Linear(5, 7), LogSoftmax(1)); }},
      {"Dropout", [] { return Sequential(Linear(5, 7), Dropout(0.4), Linear(7, 3)); }},
      {"BatchNorm1d", [] { return Sequential(Linear(5, 7), BatchNorm1d(7), Linear(7, 3)); }},
      {"LayerNorm", [] { return Sequential(Linear(5, 7), LayerNorm(7), Linear(7, 3)); }},
      {"Flatten", [] { return Sequential(Flatten(), Linear(5, 3)); }},
  };
  const auto sam = [](Parameters p) { return optim::sam(adam(std::move(p))); };
  for (const auto& [name, net] : nets)
    for (const MakeOptimizer& make : {MakeOptimizer(adam), MakeOptimizer(sam)})
      expect_equal(train(false, net, squares, make, some_data()),
                   train(true, net, squares, make, some_data()), name);
  const Tensor words = tensor({{0, 3, 1}, {2, 2, 0}});
  const auto embedding = [] { return Sequential(Embedding(4, 5), Linear(5, 2)); };
  expect_equal(train(false, embedding, squares, adam, words),
               train(true, embedding, squares, adam, words), "Embedding");
  Generator g(3);
  const Tensor sequence = randn({2, 4, 5}, g);
  const auto rnn = [] { return Sequential(RNN(5, 3)); };
  expect_equal(train(false, rnn, squares, adam, sequence),
               train(true, rnn, squares, adam, sequence), "RNN");
}

TEST(CompiledStep, GivesTheBitsOfEveryLoss) {
  using namespace nn;
  const Tensor labels = tensor({0, 2, 1, 1, 0, 2});
  Generator g(9);
  const Tensor target = rand({6, 3}, g), probability = softmax(target, 1);
  const Tensor sign = where(target > 0.5, ones({6, 3}), -1.0);
  const Tensor weight = tensor({1.0, 2.0, 0.5});
  const std::map<std::string, LossOf> losses{
      {"mse", [&](const Tensor& y, const Tensor&) { return mse_loss(y, target); }},
      {"mse sum",
       [&](const Tensor& y, const Tensor&) { return mse_loss(y, target, Reduction::sum); }},
      {"l1", [&](const Tensor& y, const Tensor&) { return l1_loss(y, target); }},
      {"huber", [&](const Tensor& y, const Tensor&) { return huber_loss(y, target, 0.3); }},
      {"smooth_l1", [&](const Tensor& y, const Tensor&) { return smooth_l1_loss(y, target, 0.3); }},
      {"cross_entropy", [&](const Tensor& y, const Tensor&) { return cross_entropy(y, labels); }},
      {"cross_entropy sum",
       [&](const Tensor& y, const Tensor&) {
         return cross_entropy(y, labels, {.ignore_index = 2, .reduction = Reduction::sum});
       }},
      {"cross_entropy weighted",
       [&](const Tensor& y, const Tensor&) {
         return cross_entropy(y, labels, {.weight = weight, .label_smoothing = 0.1});
       }},
      {"cross_entropy of probabilities",
       [&](const Tensor& y, const Tensor&) { return cross_entropy(y, probability); }},
      {"nll", [&](const Tensor& y, const Tensor&) { return nll_loss(log_softmax(y, 1), labels); }},
      {"bce", [&](const Tensor& y, const Tensor&) { return bce_loss(sigmoid(y), target); }},
      {"bce_with_logits",
       [&](const Tensor& y, const Tensor&) { return bce_with_logits(y, target); }},
      {"bce_with_logits weighted",
       [&](const Tensor& y, const Tensor&) { return bce_with_logits(y, target, weight); }},
      {"kl_div",
       [&](const Tensor& y, const Tensor&) { return kl_div(log_softmax(y, 1), probability); }},
      {"hinge", [&](const Tensor& y, const Tensor&) { return hinge_loss(y, sign); }},
  };
  const auto net = [] { return Sequential(Linear(5, 3)); };
  for (const auto& [name, loss] : losses)
    expect_equal(train(false, net, loss, adam, some_data()),
                 train(true, net, loss, adam, some_data()), name);
}

TEST(CompiledStep, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto net = [] {
    return nn::Sequential(nn::Linear(64, 257), nn::ReLU(), nn::Linear(257, 31));
  };
  Generator g(5);
  const Tensor x = randn({211, 64}, g);
  const Outcome one = [&] {
    const testing::WithThreads threads(1);
    return train(false, net, squares, adam, x, 3);
  }();
  for (const int n : {1, 2, 7}) {
    const testing::WithThreads threads(n);
    expect_equal(one, train(false, net, squares, adam, x, 3),
                 "eager, threads " + std::to_string(n));
    expect_equal(one, train(true, net, squares, adam, x, 3),
                 "compiled, threads " + std::to_string(n));
  }
}

TEST(CompiledStep, ThrowsAndSkipsNonFiniteGradientsAsEagerStepsDo) {
  const Tensor w = ones({2}).requires_grad_();
  optim::Optimizer optimizer(std::vector<Tensor>{w}, optim::SGD{.lr = 0.5});
  auto step = compile([&](const Tensor& x) {
    optimizer.zero_grad();
    sum(w * x).backward();
    optimizer.step();
  });
  step(ones({2}));
  EXPECT_THROW(step(full({2}, INFINITY)), NonFiniteError);
  EXPECT_EQ(w.to_vector(), (std::vector<double>{0.5, 0.5}));
  optimizer.set_non_finite(optim::NonFinite::skip);
  step(full({2}, NAN));
  EXPECT_EQ(optimizer.skipped_steps(), 1);
  step(ones({2}));
  EXPECT_EQ(w.to_vector(), (std::vector<double>{0, 0}));
}

/// Makes `steps` steps on a problem with one parameter. Calls between(t) before step t.
std::vector<double> run_small(bool compiled, optim::Optimizer& optimizer, const Tensor& w,
                              int steps, const std::function<void(int)>& between) {
  const auto step = [&](const Tensor& x) {
    optimizer.zero_grad();
    sum(square(w - x)).backward();
    optimizer.step();
  };
  auto fast = compile(step);
  for (int i = 0; i < steps; ++i) {
    between(i);
    const Tensor x = full({2}, i);
    compiled ? fast(x) : step(x);
  }
  return w.to_vector();
}

/// Fails at its third update of a parameter.
struct Fails {
  static constexpr optim::Card card{.name = "fails"};
  static constexpr std::array slot_names{"sum"};
  static void fields(auto&, auto&&) {}
  template <class T>
  auto at(optim::Step s) const {
    if (s.t == 3) throw ValueError("the third update");
    return [](auto& w, auto g, auto& sum) { w -= sum += g; };
  }
};

TEST(CompiledStep, ChangesNothingInAReplayInWhichARuleThrows) {
  const Tensor w = ones({3}).requires_grad_();
  optim::Optimizer o({{"w", w}}, Fails{});
  auto step = compile([&](const Tensor& x) {
    o.zero_grad();
    const Tensor loss = sum(w * w * x);
    loss.backward();
    o.step();
    return loss;
  });
  step(ones({3}));
  step(ones({3}));
  const std::vector<double> before = w.detach().to_vector();
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(testing::message_of<ValueError>([&] { step(ones({3})); }), "the third update");
    EXPECT_EQ(w.detach().to_vector(), before);
    EXPECT_EQ(o.steps(), 2);
  }
}

TEST(CompiledStep, FollowsSettingsThatChangeWhatARuleKeeps) {
  const auto train = [](bool compiled) {
    const Tensor w = tensor({1.0, 2.0}).requires_grad_();
    optim::Optimizer o(std::vector<Tensor>{w}, optim::RMSProp{.lr = 0.1, .momentum = 0.9});
    return run_small(compiled, o, w, 6, [&](int i) {
      if (i != 3) return;
      o.set("momentum", 0.0);
      o.set("centered", 1.0);
    });
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(CompiledStep, FollowsAnOptimizerThatWasReplacedOrWrapped) {
  const auto train = [](bool compiled) {
    const Tensor w = tensor({1.0, 2.0}).requires_grad_();
    optim::Optimizer o(std::vector<Tensor>{w}, optim::SGD{.lr = 0.1});
    return run_small(compiled, o, w, 6, [&](int i) {
      if (i == 2) o = optim::Optimizer(std::vector<Tensor>{w}, optim::SGD{.lr = 0.2});
      if (i == 4) o = optim::clip_norm(std::move(o), 0.01);
    });
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(CompiledStep, FollowsANewGroup) {
  const auto train = [](bool compiled) {
    const Tensor w = ones({2}).requires_grad_(), v = ones({2}).requires_grad_();
    optim::Optimizer o(Parameters{{"w", w}}, optim::SGD{.lr = 0.1});
    const auto step = [&](const Tensor& x) {
      w.zero_grad();
      v.zero_grad();
      sum(w * v * x).backward();
      o.step();
    };
    auto fast = compile(step);
    for (int i = 0; i < 4; ++i) {
      if (i == 2) o.add_group(Parameters{{"v", v}}, optim::SGD{.lr = 0.1});
      compiled ? fast(ones({2})) : step(ones({2}));
    }
    return cat({w.detach(), v.detach()}, 0).to_vector();
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(CompiledStep, ExchangesWeightsForTheirAverage) {
  const auto train = [](bool compiled) {
    const Tensor w = tensor({1.0, 2.0}).requires_grad_();
    auto o = optim::ema(optim::Optimizer(std::vector<Tensor>{w}, optim::SGD{.lr = 0.1}), 0.5);
    const auto evaluate = [&](const Tensor& x) {
      const NoGradGuard guard;
      const optim::AverageGuard average(o);
      return w * x;
    };
    auto fast = compile(evaluate);
    std::vector<double> all;
    for (int i = 0; i < 4; ++i) {
      o.zero_grad();
      sum(square(w - 3.0)).backward();
      o.step();
      const Tensor y = compiled ? fast(ones({2})) : evaluate(ones({2}));
      all.push_back(y[0].item());
    }
    for (const auto& [key, t] : o.state_dict())
      if (t.numel() == 2) all.push_back(t[1].item());
    return all;
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(CompiledStep, OfSamPutsTheWeightsBackWhenTheSecondEvaluationThrows) {
  const Tensor w = tensor({0.0}).requires_grad_(), table = ones({3});
  auto o =
      optim::sam(optim::Optimizer(std::vector<Tensor>{w}, optim::SGD{.lr = 0.0}), {.rho = 1.0});
  auto step = compile([&](const Tensor& x) {
    o.step([&] {
      const Tensor at = (w.detach() * 3.01 * x).to(kInt64);
      const Tensor l = sum(w * gather(table, 0, at));
      l.backward();
      return l;
    });
  });
  step(full({1}, 0.5));
  step(full({1}, 0.5));
  EXPECT_THROW(step(full({1}, 1)), ValueError);
  EXPECT_EQ(w.item(), 0);
}

TEST(NonFinite, IsSeenInGradientsThatWereAddedToOrWrittenInPlace) {
  const Tensor w = ones({2}).requires_grad_();
  optim::Optimizer o(std::vector<Tensor>{w}, optim::SGD{.lr = 0.5});
  sum(w * ones({2})).backward();
  o.step();
  sum(w * full({2}, NAN)).backward();  // without zero_grad
  EXPECT_THROW(o.step(), NonFiniteError);
  const Tensor g = zeros({2});
  w.set_grad(g);
  auto write = compile([&](const Tensor& x) {
    const NoGradGuard guard;
    g.copy_(x);
  });
  for (int i = 0; i < 2; ++i) {
    write(ones({2}));
    o.step();
  }
  write(full({2}, NAN));
  EXPECT_THROW(o.step(), NonFiniteError);
}

}  // namespace
}  // namespace descent
