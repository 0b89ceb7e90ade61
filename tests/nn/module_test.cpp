#include "tests/support/errors.h"
#include "tests/support/fail_each.h"

#include <descent/descent.h>
#include <filesystem>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

struct Net : nn::Module {
  nn::Linear fc1 = register_module("fc1", nn::Linear(4, 8));
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(8));
  nn::Linear fc2 = register_module("fc2", nn::Linear(8, 3));
  Net() : Module("Net") {}
  Tensor forward(const Tensor& x) override { return fc2(relu(norm(fc1(x)))); }
};

TEST(Module, NamesParametersBuffersAndChildren) {
  Net net;
  std::vector<std::string> names;
  for (const Parameter& p : net.parameters()) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"fc1.weight", "fc1.bias", "norm.weight", "norm.bias",
                                             "fc2.weight", "fc2.bias"}));
  EXPECT_EQ(net.buffers().size(), 3u);
  EXPECT_EQ(net.children(), (std::vector<std::string>{"fc1", "norm", "fc2"}));
  EXPECT_EQ(net.num_parameters(), 4 * 8 + 8 + 16 + 8 * 3 + 3);
}

TEST(Module, IsAHandle) {
  Net net, copy = net;
  copy.eval();
  EXPECT_FALSE(net.fc1.is_training());
  EXPECT_TRUE(copy.parameters()[0].value.is_same(net.parameters()[0].value));
  net.to(kFloat64);
  EXPECT_EQ(copy.fc1.weight.dtype(), kFloat64);
  EXPECT_EQ(copy(zeros({2, 4}, kFloat64)).dtype(), kFloat64);
}

TEST(Sequential, GrowsInAllItsHandles) {
  nn::Sequential model(nn::Linear(3, 2));
  nn::Sequential handle = model;
  nn::Sequential other = nn::clone(model);
  handle.push_back(nn::Linear(2, 5));
  EXPECT_EQ(model.size(), 2u);
  EXPECT_EQ(model(ones({1, 3})).shape(), (Shape{1, 5}));
  EXPECT_EQ(model.parameters().size(), 4u);
  EXPECT_EQ(other.size(), 1u);
}

TEST(Module, TrainsThroughRegisteredMembers) {
  Net net;
  sum(net(randn({5, 4}))).backward();
  for (const Parameter& p : net.parameters()) EXPECT_TRUE(p.value.grad().defined()) << p.name;
  net.zero_grad();
  for (const Parameter& p : net.parameters()) EXPECT_FALSE(p.value.grad().defined());
}

TEST(Module, ErrorsNamePathAndConfiguration) {
  Net net;
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         net(zeros({2, 5}));
                       }),
                       "[linear] got input (2, 5) and weight (8, 4), expected input (…, in) and "
                       "weight (out, in) with equal in (5 != 4)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         net(zeros({2, 5}));
                       }),
                       "in Net.fc1 (Linear 4 -> 8)"));
  nn::Sequential deep(nn::Linear(2, 3), nn::Sequential(nn::ReLU(), nn::Linear(4, 1)));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         deep(zeros({1, 2}));
                       }),
                       "in Sequential.1.1 (Linear 4 -> 1)"));
}

TEST(Module, RefusesBadNames) {
  struct Twice : nn::Module {
    Twice() {
      register_parameter("w", zeros({1}));
      register_parameter("w", zeros({1}));
    }
  };
  struct Dotted : nn::Module {
    Dotted() { register_module("a.b", nn::ReLU()); }
  };
  EXPECT_TRUE(has_text(message_of<ValueError>([] { Twice(); }), "got the name 'w' twice"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { Dotted(); }),
                       "got the name 'a.b', expected one without a dot"));
}

TEST(Module, SavesAndLoadsTheSameNetwork) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            to_text("descent-model-", static_cast<long>(getpid())))
                               .string();
  Net net, other;
  net(randn({6, 4}));
  net.save(path);
  other.load(path);
  net.eval(), other.eval();
  const Tensor x = randn({3, 4});
  EXPECT_EQ(net(x).to_vector(), other(x).to_vector());
  std::filesystem::remove(path);
}

TEST(Module, RefusesAStateThatDoesNotFitAndChangesNothing) {
  Net net;
  const Doubles before = net.fc1.weight.to_vector();
  auto state = net.state_dict();
  state.erase("fc2.bias");
  state["fc1.weight"] = zeros({9, 9});
  state["extra"] = zeros({1});
  const std::string text = message_of<StateError>([&] { net.load_state_dict(state); });
  for (const char* part : {"missing: fc2.bias (3,)", "fc1.weight: got (9, 9), expected (8, 4)",
                           "unexpected: extra (1,)"})
    EXPECT_TRUE(has_text(text, part));
  EXPECT_EQ(net.fc1.weight.to_vector(), before);
}

TEST(Module, SummaryShowsShapesAndCounts) {
  Net net;
  const std::string s = net.summary(zeros({7, 4}));
  EXPECT_TRUE(has_text(s, "fc1     Linear 4 -> 8  (7, 8)          40"));
  EXPECT_TRUE(has_text(s, "parameters in all: 83"));
  EXPECT_EQ(net.norm.num_batches_tracked.item(), 0) << "a summary is no training";
}

TEST(Module, AppliesToEveryPart) {
  Net net;
  std::vector<std::string> seen;
  net.apply([&](const std::string& path, const std::string& configuration, const Parameters& own) {
    seen.push_back(path);
    if (configuration.starts_with("Linear")) nn::init::constant_(own[0].value, 2);
  });
  EXPECT_EQ(seen.back(), "");
  EXPECT_EQ(net.fc2.weight[0][0].item(), 2);
}

TEST(Linear, KeepsItsWeightTransposedInMemory) {
  const nn::Linear layer(3, 5);
  EXPECT_EQ(layer.weight.shape(), (Shape{5, 3}));
  EXPECT_EQ(layer.weight.strides(), (Shape{1, 5}));
  EXPECT_LE(max(abs(layer.weight.detach())).item(), 1 / std::sqrt(3.0));
  EXPECT_FALSE(nn::Linear(2, 2, false).bias.defined());
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::Linear(0, 3); }),
                       "[Linear] got in = 0, expected 1 or more"));
}

TEST(Dropout, KeepsTheMeanAndIsOffInEvaluation) {
  manual_seed(3);
  nn::Dropout drop(0.4);
  const Tensor x = ones({200000}), y = drop(x);
  EXPECT_NEAR(mean(y).item(), 1, 0.01);
  EXPECT_NEAR(mean((y == 0).to(kFloat64)).item(), 0.4, 0.01);
  drop.eval();
  EXPECT_TRUE(drop(x).is_same(x));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::Dropout(1.5); }), "got p = 1.5"));
}

// A module whose forward pass makes a summary of its child, while the summary of the module itself
// is being made.
struct Asking : nn::Module {
  nn::Linear first = register_module("first", nn::Linear(4, 2));
  nn::Linear last = register_module("last", nn::Linear(2, 5));
  Tensor forward(const Tensor& x) override {
    const Tensor y = first(x);
    first.summary(x);
    return last(y);
  }
};

TEST(Module, ASummaryWithinASummaryLeavesTheOuterOneComplete) {
  Asking net;
  const std::string s = net.summary(zeros({7, 4}));
  EXPECT_TRUE(has_text(s, "(7, 2)"));
  EXPECT_TRUE(has_text(s, "(7, 5)"));
}

TEST(BatchNorm1d, KeepsPyTorchsRunningStatistics) {
  nn::BatchNorm1d norm(2);
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 6.0}, {5.0, 4.0}});
  norm(x);
  // 0.9·0 + 0.1·mean and 0.9·1 + 0.1·(unbiased variance 4)
  EXPECT_NEAR(norm.running_mean[0].item(), 0.3, 1e-7);
  EXPECT_NEAR(norm.running_var[1].item(), 1.3, 1e-6);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  norm.eval();
  EXPECT_NEAR(norm(x)[0][0].item(), (1 - 0.3) / std::sqrt(1.3 + 1e-5), 1e-6);
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         nn::BatchNorm1d(2)(zeros({1, 2}));
                       }),
                       "got a batch of 1 while training"));
}

TEST(BatchNorm1d, StatisticsAreRecomputedForAveragedWeights) {
  nn::Sequential model(nn::BatchNorm1d(2));
  const Tensor x = randn({60, 2}) * 3 + 5;
  model(randn({8, 2}));
  data::DataLoader loader(x, x, {.batch_size = 20, .shuffle = false});
  nn::update_batch_norm(model, loader);
  const Tensor mean_of = model.buffers()[0].value;
  EXPECT_TRUE(allclose(mean_of, mean(x, {0}), 1e-5));
  EXPECT_EQ(model.buffers()[2].value.item(), 3);
  EXPECT_TRUE(model.is_training());
}

TEST(BatchNorm1d, RecomputingStatisticsLeavesAFrozenLayerFrozen) {
  nn::BatchNorm1d frozen(2), trained(2);
  nn::Sequential model(frozen, trained);
  frozen.eval();
  const Tensor x = randn({20, 2});
  data::DataLoader loader(x, x, {.batch_size = 10});
  nn::update_batch_norm(model, loader);
  EXPECT_FALSE(frozen.is_training());
  EXPECT_TRUE(trained.is_training());
}

TEST(Sam, LeavesRunningStatisticsAndDropoutMasksAlone) {
  manual_seed(1);
  nn::BatchNorm1d norm(4);
  nn::Sequential model(nn::Linear(3, 4), norm, nn::Dropout(0.5), nn::Linear(4, 1));
  auto optimizer = optim::sam(optim::Optimizer(model.parameters(), optim::SGD{.lr = 0.1}));
  const Tensor x = randn({16, 3});
  std::vector<Doubles> masks;
  optimizer.step([&] {
    const Tensor y = model(x);
    masks.push_back(nn::Dropout(0.5)(ones({8})).to_vector());
    const Tensor loss = mean(square(y));
    loss.backward();
    return loss;
  });
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(masks[0], masks[1]);
  EXPECT_EQ(optimizer.gradient_evaluations(), 2);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { optimizer.step(); }), "got no closure"));
}

TEST(Sam, PutsTheWeightsBackExactlyAlsoWhenTheClosureThrows) {
  const Tensor w = randn({5}).requires_grad_();
  const Doubles before = w.to_vector();
  auto optimizer = optim::sam(optim::Optimizer({{"w", w}}, optim::SGD{.lr = 0.1}));
  int calls = 0;
  EXPECT_THROW(optimizer.step([&]() -> double {
    if (++calls == 2) throw std::runtime_error("second");
    sum(square(w)).backward();
    return 0;
  }),
               std::runtime_error);
  EXPECT_EQ(w.to_vector(), before);
}

TEST(Embedding, RefusesAnIndexOutOfRange) {
  nn::Embedding e(3, 2);
  EXPECT_EQ(e(tensor({{0, 2}})).shape(), (Shape{1, 2, 2}));
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { e(tensor({3})); }),
      "got index 3 at position 0, expected one in [0, 3)\n  in Embedding (Embedding 3 x 2)"));
}

TEST(Init, HasTheSpreadOfTheirPapers) {
  manual_seed(4);
  const Tensor w = empty({300, 200});
  const auto spread = [&] { return stddev(w, {}, 0).item(); };
  nn::init::xavier_uniform_(w);
  EXPECT_NEAR(spread(), std::sqrt(2.0 / 500), 2e-4);
  nn::init::xavier_normal_(w);
  EXPECT_NEAR(spread(), std::sqrt(2.0 / 500), 5e-4);
  nn::init::kaiming_uniform_(w);
  EXPECT_NEAR(spread(), std::sqrt(2.0 / 200), 5e-4);
  nn::init::kaiming_normal_(w, nn::init::Fan::out);
  EXPECT_NEAR(spread(), std::sqrt(2.0 / 300), 5e-4);
  nn::init::orthogonal_(w, 2);
  EXPECT_TRUE(allclose(matmul(w.t(), w), eye(200) * 4, 1e-4, 1e-4));
  nn::init::orthogonal_(w.t());
  EXPECT_TRUE(allclose(matmul(w.t(), w), eye(200), 1e-4, 1e-5));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] { nn::init::xavier_normal_(zeros({3})); }),
                       "expected a weight (out, in)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::init::calculate_gain("rellu"); }),
                       "did you mean 'relu'"));
}

TEST(Losses, RefuseWhatDoesNotFit) {
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([] {
        nn::mse_loss(zeros({3, 1}), zeros({3}));
      }),
      "[mse_loss] got input (3, 1) and target (3,), expected equal shapes. Hint: a column"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] {
                         nn::cross_entropy(zeros({2, 3}), tensor({0, 3}));
                       }),
                       "[cross_entropy] got label 3 at position 1, expected one in [0, 3)"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([] {
                         nn::cross_entropy(zeros({2, 3}), zeros({2}));
                       }),
                       "got labels of dtype float32, expected int64"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         nn::cross_entropy(zeros({2, 3}), zeros({3}, kInt64));
                       }),
                       "expected (N, C) and (N) labels"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::bce_loss(tensor({1.5}), tensor({1.0})); }),
                       "got inputs from 1.5 to 1.5, expected probabilities"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::huber_loss(zeros({1}), zeros({1}), -1); }),
                       "got delta = -1"));
}

TEST(Module, MayBeSharedBetweenNetworks) {
  struct Tied : nn::Module {
    nn::Linear a = register_module("a", nn::Linear(2, 2)), b = register_module("b", a);
    Tied() : Module("Tied") {}
  };
  Tied tied;
  EXPECT_EQ(tied.parameters().size(), 2u);
  EXPECT_EQ(tied.num_parameters(), 6);
  nn::Sequential other(tied.a);
  EXPECT_EQ(tied.parameters()[0].name, "a.weight") << "another parent renamed it";
  EXPECT_EQ(other.parameters()[0].name, "0.weight");
}

TEST(Module, StateIsASnapshot) {
  nn::Linear layer(1, 1);
  const auto best = layer.state_dict();
  const double before = layer.weight[0][0].item();
  nn::init::constant_(layer.weight, 9);
  layer.load_state_dict(best);
  EXPECT_EQ(layer.weight[0][0].item(), before);
}

TEST(Module, SaysHowToOverrideForward) {
  struct Wrong : nn::Module {
    Tensor forward(Tensor x, int) { return x; }
    using nn::Module::forward;
  };
  Wrong w;
  EXPECT_TRUE(
      has_text(message_of<Error>([&] { w(zeros({1})); }),
               "expected an override of exactly: Tensor forward(const Tensor& x) override"));
}

// ---- nothing by half ----

std::map<std::string, Doubles> numbers_of(const Net& net) {
  std::map<std::string, Doubles> all;
  for (const auto& [key, t] : net.state_dict()) {
    all[key] = t.to_vector();
    all[key + " dtype"] = {t.dtype() == kFloat64 ? 1.0 : 0.0};
  }
  return all;
}

TEST(Module, LoadsAStateWhollyOrNotAtAll) {
  Net net, other;
  other.norm.running_mean.fill_(3);
  const auto before = numbers_of(net), expected = numbers_of(other);
  auto state = other.state_dict();
  state["fc2.bias"] = state["fc2.bias"].to(kFloat64);  // needs memory to be converted
  testing::fail_each_allocation([&] { net.load_state_dict(state); },
                                [&] { EXPECT_EQ(numbers_of(net), before); });
  EXPECT_EQ(numbers_of(net), expected);
  state["fc2.bias"] = Tensor();
  state["more"] = Tensor();
  const std::string text = message_of<StateError>([&] { net.load_state_dict(state); });
  EXPECT_TRUE(has_text(text, "fc2.bias: got an undefined tensor, expected (3,)"));
  EXPECT_TRUE(has_text(text, "unexpected: more"));
}

TEST(Module, LoadsItsOwnTensorsUnderOtherNames) {
  nn::Sequential net(nn::Linear(2, 2), nn::Linear(2, 2));
  std::map<std::string, Tensor> state;
  for (const Parameter& p : net.parameters()) {
    std::string name = p.name;
    name[0] = name[0] == '0' ? '1' : '0';
    state[name] = p.value;
  }
  const Doubles first = state["1.weight"].to_vector(), second = state["0.weight"].to_vector();
  net.load_state_dict(state);
  EXPECT_EQ(net.parameters()[0].value.to_vector(), second);
  EXPECT_EQ(net.parameters()[2].value.to_vector(), first);
}

TEST(Module, IsConvertedWhollyOrNotAtAll) {
  Net net;
  const auto before = numbers_of(net);
  testing::fail_each_allocation([&] { net.to(kFloat64); },
                                [&] { EXPECT_EQ(numbers_of(net), before); });
  EXPECT_EQ(net(zeros({2, 4}, kFloat64)).dtype(), kFloat64);
}

TEST(Module, ChangesItsModeWhollyOrNotAtAll) {
  Net net;
  net.fc2.eval();
  const auto modes = [&] {
    return std::vector<bool>{net.is_training(), net.fc1.is_training(), net.norm.is_training(),
                             net.fc2.is_training()};
  };
  const std::vector<bool> before = modes();
  testing::fail_each_allocation([&] { const nn::TrainingGuard guard(net, false); },
                                [&] { EXPECT_EQ(modes(), before); });
  EXPECT_EQ(modes(), before);
  testing::fail_each_allocation([&] { net.eval(); }, [&] { EXPECT_EQ(modes(), before); });
  EXPECT_EQ(modes(), std::vector<bool>(4, false));
}

TEST(BatchNorm1d, ChangesItsStatisticsTogetherOrNotAtAll) {
  Net net;
  const Tensor x = sin(arange(0, 20, 1, kFloat32)).reshape({5, 4});
  for (const bool cumulative : {false, true}) {
    const auto before = numbers_of(net);
    const auto same = [&] { EXPECT_EQ(numbers_of(net), before); };
    if (cumulative)
      testing::fail_each_allocation(
          [&] {
            const CumulativeStatisticsGuard guard;
            net.norm(net.fc1(x));
          },
          same);
    else
      testing::fail_each_allocation([&] { net.norm(net.fc1(x)); }, same);
    EXPECT_NE(numbers_of(net), before);
  }
}

TEST(EmbeddedColumns, StandBehindTheOthersAndLearn) {
  nn::EmbeddedColumns layer({{1, 3, 2}, {2, 2, 1}});
  const Tensor x = tensor({{5.F, 2.F, 1.F, 7.F}, {6.F, 0.F, 0.F, 8.F}});
  const Tensor y = layer(x);
  EXPECT_EQ(y.shape(), (Shape{2, 5}));
  const auto tables = layer.state_dict();
  EXPECT_EQ(
      y[0].to_vector(),
      cat({tensor({5.F, 7.F}), tables.at("0.weight")[2], tables.at("1.weight")[1]}).to_vector());
  y.sum().backward();
  for (const auto& [name, p] : layer.parameters())
    EXPECT_EQ(p.grad().sum().item(), name == "0.weight" ? 4 : 2) << name;
  EXPECT_THROW(layer(zeros({2, 2})), ShapeError);
  EXPECT_THROW(layer(tensor({{5.F, 3.F, 1.F, 7.F}})), ValueError);
  EXPECT_TRUE(testing::has_text(testing::message_of<ValueError>([] {
                                  nn::EmbeddedColumns({{1, 3, 2}, {1, 2, 1}});
                                }),
                                "got the place 1, expected places that rise"));
}

TEST(BatchNorm1d, LeavesABatchOfOneRowOutOfItsStatistics) {
  Net net;
  const Tensor x = sin(arange(0, 20, 1, kFloat32)).reshape({5, 4});
  const std::vector<std::pair<Tensor, Tensor>> whole{{x, x}}, one{{x.slice(0, 0, 1), x}},
      both{{x, x}, {x.slice(0, 0, 1) * 100.0, x}};
  nn::update_batch_norm(net, whole);
  const auto expected = numbers_of(net);
  nn::update_batch_norm(net, both);
  EXPECT_EQ(numbers_of(net), expected);
  EXPECT_TRUE(
      testing::has_text(testing::message_of<ValueError>([&] { nn::update_batch_norm(net, one); }),
                        "got no batch of two rows, expected at least one"));
}

TEST(BatchNorm1d, KeepsItsStatisticsIfComputingThemAnewThrows) {
  Net net;
  const Tensor x = sin(arange(0, 20, 1, kFloat32)).reshape({5, 4});
  net(x);
  net.eval();
  const auto before = numbers_of(net);
  const std::vector<std::pair<Tensor, Tensor>> good{{x, x}, {x + 1, x}}, bad{{x, x}, {x.t(), x}};
  EXPECT_THROW(nn::update_batch_norm(net, bad), ShapeError);
  EXPECT_EQ(numbers_of(net), before);
  EXPECT_FALSE(net.norm.is_training());
  testing::fail_each_allocation([&] { nn::update_batch_norm(net, good); },
                                [&] { EXPECT_EQ(numbers_of(net), before); });
  EXPECT_EQ(net.norm.num_batches_tracked.item(), 2);
}

TEST(Module, ThatWasMovedAwayIsStillThere) {
  // NOLINTBEGIN(bugprone-use-after-move,performance-move-const-arg): this is the mistake
  const Tensor x = sin(arange(0, 8, 1, kFloat32)).reshape({2, 4});
  nn::Sequential model(nn::Linear(4, 3), nn::ReLU(), nn::Linear(3, 2));
  const Doubles expected = model(x).to_vector();
  nn::Sequential other = std::move(model);
  EXPECT_EQ(other(x).to_vector(), expected);
  EXPECT_EQ(model(x).to_vector(), expected);
  nn::RNN rnn(4, 3);
  const Tensor sequence = ones({2, 1, 4});
  const Doubles states = rnn(sequence).to_vector();
  const nn::RNN second = std::move(rnn);
  EXPECT_EQ(rnn(sequence).to_vector(), states);
  nn::LayerNorm norm(4);
  norm.weight.detach().fill_(2);
  const Doubles scaled = norm(x).to_vector();
  const nn::LayerNorm third = std::move(norm);
  EXPECT_EQ(norm(x).to_vector(), scaled);
  const auto expect_same = [](auto module, const Tensor& input) {
    auto taken = std::move(module);
    module.eval();
    EXPECT_EQ(module(input).to_vector(), taken(input).to_vector());
  };
  expect_same(Net(), x);
  expect_same(nn::Linear(4, 3), x);
  expect_same(nn::BatchNorm1d(4), x);
  expect_same(nn::Embedding(4, 3), tensor({1}));
  expect_same(nn::RNNCell(4, 3), x);
  // NOLINTEND(bugprone-use-after-move,performance-move-const-arg)
}

}  // namespace
}  // namespace descent
