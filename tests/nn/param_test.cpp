// Param: assigning to a module's parameter, ties, clones, and modules that are replaced.
#include <descent/descent.h>
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace {

using namespace descent;
using descent::testing::has_text;
using descent::testing::message_of;
using descent::testing::TemporaryFolder;

struct Net : nn::Module {
  nn::Linear fc1 = register_module("fc1", nn::Linear(3, 3));
  nn::Linear fc2 = register_module("fc2", nn::Linear(3, 3));
  nn::Param scale = register_parameter("scale", ones({3}));
  Tensor forward(const Tensor& x) override { return fc2(tanh(fc1(x))) * scale; }
};

TEST(Param, AssignmentReplacesTheRegisteredParameter) {
  manual_seed(1);
  Net net;
  Net copy = net;
  const Tensor old = net.fc1.weight, other = full({3, 3}, 0.5), x = ones({2, 3});
  net.fc1.weight = other;
  EXPECT_TRUE(net.parameters()[1].value.is_same(other));
  EXPECT_TRUE(copy.fc1.weight.is_same(other)) << "a copy is a handle to the same module";
  EXPECT_TRUE(other.requires_grad());
  EXPECT_TRUE(allclose(net(x), copy(x), 0, 0));
  EXPECT_EQ(net.state_dict().at("fc1.weight").to_vector(), other.to_vector());
  // Training moves the new tensor and leaves the old one.
  const std::vector<double> before = old.to_vector();
  optim::Optimizer sgd(net.parameters(), optim::SGD{.lr = 0.1});
  net(x).sum().backward();
  sgd.step();
  EXPECT_NE(other.to_vector(), std::vector<double>(9, 0.5));
  EXPECT_EQ(old.to_vector(), before);
  net.scale = full({3}, 2.0);
  EXPECT_EQ(copy.scale.to_vector(), std::vector<double>(3, 2.0));
}

TEST(Param, AnEarlierOptimizerSaysThatAParameterWasReplaced) {
  Net net;
  optim::Optimizer adam(net.parameters(), optim::Adam{});
  net(ones({2, 3})).sum().backward();
  adam.step();
  net.fc2.weight = full({3, 3}, 0.5);
  net(ones({2, 3})).sum().backward();
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { adam.step(); }),
               "[step] got the parameter 'fc2.weight', in whose place its module has "
               "another tensor now, expected the module's. Hint: make the optimizer after"));
}

TEST(Param, ACompiledStepUsesTheNewTensor) {
  Net net;
  auto step = compile([&](const Tensor& x) { return net(x).sum(); });
  const Tensor x = ones({2, 3});
  step(x);
  step(x);
  net.fc2.weight = zeros({3, 3});
  net.fc2.bias = zeros({3});
  EXPECT_EQ(step(x).item(), 0);
}

TEST(Param, RefusesWhatIsNoParameter) {
  nn::Linear plain(2, 3, false), layer(2, 3);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { plain.bias = ones({3}); }),
                       "[module] got a tensor for a parameter that the layer does not have"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         layer.weight = ones({2, 3});
                       }),
                       "[module] got (2, 3) for 'weight', expected (3, 2), as it was"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] {
                         layer.weight = ones({3, 2}, kInt64);
                       }),
                       "[module] got int64 for 'weight', expected float32"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { layer.weight = layer.weight * 2; }),
                       "[module] got the result of 'mul' for 'weight', expected a leaf"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { layer.weight = Tensor(); }), "undefined"));
  {
    const NoGradGuard no_grad;
    layer.weight = layer.weight * 2;
  }
  EXPECT_TRUE(layer.weight.requires_grad());
  // A handle is a handle.
  Tensor w = layer.weight;
  w = ones({5});
  EXPECT_EQ(layer.weight.shape(), Shape({3, 2}));
}

TEST(Param, TiedWeightsAreOneParameter) {
  manual_seed(2);
  Net net;
  net.fc2.weight = net.fc1.weight;
  EXPECT_EQ(net.num_parameters(), 3 + 9 + 3 + 3);
  std::vector<std::string> names;
  for (const Parameter& p : net.parameters()) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"scale", "fc1.weight", "fc1.bias", "fc2.bias"}));
  // Its gradient is the sum over both uses.
  const Tensor x = ones({1, 3});
  net(x).sum().backward();
  const Tensor g = net.fc1.weight.grad();
  EXPECT_TRUE(net.fc2.weight.grad().is_same(g) || allclose(net.fc2.weight.grad(), g, 0, 0));
  optim::Optimizer sgd(net.parameters(), optim::SGD{.lr = 0.1});
  const Tensor expected = net.fc1.weight.detach() - g * 0.1;
  sgd.step();
  EXPECT_TRUE(allclose(net.fc2.weight, expected, 0, 1e-7));
  // Saved once; loading keeps the tie, also from a file that has both names, as PyTorch's.
  const TemporaryFolder folder;
  net.save(folder / "net.safetensors");
  auto state = load_tensors(folder / "net.safetensors").tensors;
  EXPECT_EQ(state.size(), 4U);
  Net again;
  again.fc2.weight = again.fc1.weight;
  again.load_state_dict(state);
  EXPECT_TRUE(allclose(again(x), net(x), 0, 0));
  state["fc2.weight"] = state.at("fc1.weight").clone();
  again.load_state_dict(state);
  state["fc2.weight"] = zeros({3, 3});
  EXPECT_TRUE(has_text(message_of<StateError>([&] { again.load_state_dict(state); }),
                       "unexpected: fc2.weight (3, 3)"));
  // So does an assignment from a module that is const, and not only from one that is not.
  const nn::Linear constant(3, 3);
  net.fc2.weight = constant.weight;
  EXPECT_TRUE(net.state_dict().contains("fc2.weight"));
  EXPECT_TRUE(net.fc2.weight.is_same(constant.weight));
  net.fc2.weight = net.fc1.weight;
  // An assignment to one of both unties.
  net.fc1.weight = zeros({3, 3});
  EXPECT_EQ(net.num_parameters(), 3 + 2 * (9 + 3));
}

TEST(Param, SwapsExchangesAndHandles) {
  manual_seed(6);
  Net a, b;
  const Tensor of_a = a.fc1.weight, of_b = b.fc1.weight;
  std::swap(a.fc1.weight, b.fc1.weight);
  EXPECT_TRUE(a.fc1.weight.is_same(of_b) && b.fc1.weight.is_same(of_a));
  EXPECT_TRUE(a.parameters()[1].value.is_same(of_b));
  auto old = a.fc1.weight;  // a plain handle
  a.fc1.weight = ones({3, 3});
  EXPECT_TRUE(old.is_same(of_b));
  a.fc1.weight = old;
  EXPECT_TRUE(a.parameters()[1].value.is_same(of_b));
  old = ones({2});
  EXPECT_TRUE(a.fc1.weight.is_same(of_b)) << "assigning to a handle changes no module";
  a.fc1.weight = nn::Linear(3, 3).weight;
  EXPECT_TRUE(a.parameters()[1].value.is_same(a.fc1.weight));
}

TEST(Param, ReleasesTheOldTensorWithoutALock) {
  nn::Linear layer(2, 2);
  {
    nn::Linear other(2, 2);
    layer.weight.register_hook([other](const Tensor& g) { return g; });
  }
  layer.weight = ones({2, 2});  // the hook's module goes with the old tensor
  EXPECT_EQ(layer.weight.sum().item(), 4);
}

TEST(Param, UntyingIsSeenByAnEarlierOptimizer) {
  Net net;
  net.fc2.weight = net.fc1.weight;
  optim::Optimizer sgd(net.parameters(), optim::SGD{.lr = 0.1});
  net.fc2.weight = ones({3, 3});
  net(ones({1, 3})).sum().backward();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { sgd.step(); }), "Hint: make the optimizer"));
  optim::Optimizer again(net.parameters(), optim::SGD{.lr = 0.1});
  again.step();
}

TEST(Param, RefusesElementsThatShareMemory) {
  nn::Linear layer(2, 3);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { layer.bias = ones({1}).expand({3}); }),
                       "got elements of 'bias' that share memory, as expand() makes"));
  const Tensor w = zeros({1}).expand({3}).detach().requires_grad_();
  EXPECT_TRUE(has_text(message_of<ValueError>(
                           [&] { const optim::Optimizer o(std::vector<Tensor>{w}, optim::SGD{}); }),
                       "whose elements share memory"));
}

TEST(Param, TyingToAFrozenParameterKeepsItFrozen) {
  nn::Linear a(2, 2), b(2, 2);
  a.weight.requires_grad_(false);
  b.weight = a.weight;
  EXPECT_FALSE(a.weight.requires_grad());
}

TEST(Param, AReplacedChildIsAnError) {
  Net net;
  net.fc1 = nn::Linear(3, 3);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { net.parameters(); }),
                       "[module] got 'fc1' (Linear 3 -> 3), which was registered and then replaced "
                       "by an assignment, expected the registered one"));
  // Handles come and go.
  Net third;
  auto layer = third.fc1;
  layer = third.fc2;
  nn::Linear unregistered(3, 3);
  unregistered = nn::Linear(2, 2);
  EXPECT_EQ(third.parameters().size(), 5U);
  EXPECT_EQ(unregistered.parameters()[0].value.shape(), Shape({2, 2}));
}

TEST(Param, AssigningAWholeModuleAssignsTheHandle) {
  manual_seed(5);
  Net a, b;
  const Net c = b;
  const Tensor x = ones({2, 3});
  const std::vector<double> of_a = a(x).to_vector(), of_b = b(x).to_vector();
  Net kept = a;
  a = c;  // nested modules first, then a's own parameter
  EXPECT_EQ(a(x).to_vector(), of_b);
  EXPECT_EQ(kept(x).to_vector(), of_a);
  EXPECT_TRUE(a.scale.is_same(b.scale));
  EXPECT_FALSE(kept.scale.is_same(b.scale)) << "the other handle keeps its parameter";
  b.scale = full({3}, 2.0);
  EXPECT_EQ(a.scale.to_vector(), std::vector<double>(3, 2.0)) << "a is a handle to b";
  std::swap(a, kept);
  EXPECT_EQ(a(x).to_vector(), of_a);
  EXPECT_EQ(kept.scale.to_vector(), std::vector<double>(3, 2.0));
  EXPECT_EQ(a.parameters().size(), 5U);
  std::vector<Net> nets;
  for (int i = 0; i < 4; ++i) nets.push_back(Net());
  nets.erase(nets.begin());
  std::swap(nets[0], nets[2]);
  for (Net& net : nets) EXPECT_EQ(net.parameters().size(), 5U);
}

TEST(Param, MayBeRegisteredInTheConstructorsBody) {
  struct Late : nn::Module {
    Late() {
      w = register_parameter("w", ones({2}));
      b = register_parameter("b", zeros({2}));
      inner = register_module("inner", nn::Linear(2, 2));
    }
    Tensor forward(const Tensor& x) override { return inner(x) * w + b; }
    nn::Param w;
    Tensor b;  // a plain handle works, but must not be assigned to
    nn::Linear inner{1, 1};
  };
  Late late;
  EXPECT_EQ(late.parameters().size(), 4U);
  EXPECT_TRUE(late.b.requires_grad());
  EXPECT_TRUE(has_text(message_of<StateError>([&] { clone(late); }),
                       "[clone] got 'b' of Late in a member of type Tensor, expected nn::Param"));
}

TEST(Clone, IsIndependentAndKeepsTies) {
  manual_seed(3);
  Net net;
  net.fc2.weight = net.fc1.weight;
  net.eval();
  net.scale.requires_grad_(false);
  Net copy = clone(net);
  const Tensor x = randn({4, 3});
  EXPECT_TRUE(allclose(copy(x), net(x), 0, 0));
  EXPECT_TRUE(copy.fc2.weight.is_same(copy.fc1.weight));
  EXPECT_FALSE(copy.fc1.weight.shares_storage(net.fc1.weight));
  EXPECT_FALSE(copy.is_training());
  EXPECT_FALSE(copy.scale.requires_grad());
  EXPECT_EQ(copy.num_parameters(), net.num_parameters());
  {
    const NoGradGuard no_grad;
    for (const Parameter& p : copy.parameters()) p.value.fill_(0);
  }
  EXPECT_EQ(copy(x).abs().sum().item(), 0);
  EXPECT_NE(net(x).abs().sum().item(), 0);
  copy.train();
  EXPECT_FALSE(net.is_training());
}

TEST(Clone, CopiesWhatASequentialHolds) {
  manual_seed(4);
  nn::Sequential inner(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::ReLU());
  nn::Sequential model(inner, nn::Linear(4, 2), nn::Dropout(0.5));
  const Tensor x = randn({8, 3});
  model(x);
  nn::Sequential copy = clone(model);
  model.eval(), copy.eval();
  const std::vector<double> before = copy(x).to_vector();
  EXPECT_EQ(before, model(x).to_vector());
  model.train();
  model(randn({8, 3}));  // moves the running statistics
  optim::Optimizer sgd(model.parameters(), optim::SGD{.lr = 0.5});
  model(x).sum().backward();
  sgd.step();
  EXPECT_EQ(copy(x).to_vector(), before);
  nn::RNN rnn(2, 3), other = clone(rnn);
  EXPECT_TRUE(allclose(rnn(ones({2, 1, 2})), other(ones({2, 1, 2})), 0, 0));
  EXPECT_FALSE(rnn.parameters()[0].value.is_same(other.parameters()[0].value));
}

TEST(Clone, SaysWhatItCannotCopy) {
  struct Pointed : nn::Module {
    std::shared_ptr<nn::Linear> inner =
        std::make_shared<nn::Linear>(register_module("inner", nn::Linear(2, 2)));
    Tensor forward(const Tensor& x) override { return (*inner)(x); }
  };
  const Pointed pointed;
  EXPECT_TRUE(has_text(message_of<StateError>([&] { clone(pointed); }),
                       "[clone] got 'inner' (Linear 2 -> 2) behind a pointer"));
}

TEST(Module, CopiesAndClonesOnSeveralThreads) {
  const Net net;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&net] {
      for (int i = 0; i < 200; ++i) {
        // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): the copy is tested
        const Net handle = net;
        const Net own = clone(handle);
        if (own.num_parameters() != net.num_parameters()) std::abort();
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(net.parameters().size(), 5U);
}

}  // namespace
