// Modules as functions of their parameters.
#include "tests/support/distance.h"
#include "tests/support/errors.h"

#include <descent/descent.h>

namespace descent {
namespace {

using testing::distance;
using testing::has_text;
using testing::message_of;

nn::Sequential net(std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential model(nn::Linear(3, 5), nn::Tanh(), nn::Linear(5, 2));
  model.to(kFloat64);
  return model;
}
Tensor inputs() {
  Generator generator(8);
  return randn({6, 3}, generator, kFloat64);
}
Tensor each_loss(const Tensor& output, const Tensor& y) {
  return nn::cross_entropy(output, y, {.reduction = nn::Reduction::none});
}

TEST(FunctionalCall, UsesOtherTensorsAndPutsBackItsOwn) {
  nn::Sequential a = net(1), b = net(2);
  const Tensor x = inputs(), before = a(x);
  const Tensor w = b.state_dict().at("0.weight").requires_grad_();
  const Tensor y = nn::functional_call(a, b.state_dict(), x);
  EXPECT_EQ(y.to_vector(), b(x).to_vector());
  EXPECT_EQ(a(x).to_vector(), before.to_vector());
  const Tensor g = grad({nn::functional_call(a, {{"0.weight", w * 2}}, x).sum()}, {w})[0];
  EXPECT_EQ(g.shape(), (Shape{5, 3}));
  EXPECT_EQ(a.parameters()[0].value.grad().defined(), false);
  // The optimizer that was made before goes on.
  optim::Optimizer o(a.parameters(), optim::SGD{.lr = 0.1});
  (void)nn::functional_call(a, b.state_dict(), x);
  a(x).sum().backward();
  o.step();
  EXPECT_THROW(nn::functional_call(a, {{"0.weight", w}}, ones({2, 4}, kFloat64)), ShapeError);
  EXPECT_EQ(a.parameters()[0].value.shape(), (Shape{5, 3}));
  EXPECT_NE(a.parameters()[0].value.to_vector(), w.to_vector());
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         nn::functional_call(a, {{"0.weight", Tensor()}}, x);
                       }),
                       "[functional_call] got an undefined tensor for '0.weight'"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::stack_modules({}); }),
                       "[stack_modules] got no modules, expected one or more"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         nn::functional_call(a, {{"weight", w}}, x);
                       }),
                       "[functional_call] got the name 'weight'"));
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([&] {
        nn::functional_call(a, {{"0.weight", w.t()}}, x);
      }),
      "[functional_call] got (3, 5) for '0.weight', expected (5, 3), or one dimension more"));
}

TEST(FunctionalCall, GivesTheHessianOfALinearModelAsGaussNewton) {
  manual_seed(3);
  nn::Sequential model(nn::Linear(3, 1));
  model.to(kFloat64);
  const Tensor x = inputs(), y = x.sum({1}, true);
  const auto loss = [&](const Tensor& w) {
    return nn::mse_loss(nn::functional_call(model, {{"0.weight", w}}, x), y);
  };
  const Tensor h = hessian(loss, model.parameters()[0].value.detach()).reshape({3, 3});
  EXPECT_LT(distance(h, matmul(x.t(), x) / 3), 1e-14);  // 2·XᵀX/N
}

TEST(StackModules, RunManyNetsAsEachAlone) {
  std::vector<nn::Sequential> nets{net(1), net(2), net(3)};
  const nn::NamedTensors all = nn::stack_modules({&nets[0], &nets[1], &nets[2]});
  EXPECT_EQ(all.at("0.weight").shape(), (Shape{3, 5, 3}));
  const Tensor x = inputs(), y = nn::functional_call(nets[0], all, x);
  EXPECT_EQ(y.shape(), (Shape{3, 6, 2}));
  for (std::int64_t k = 0; k < 3; ++k)
    EXPECT_LT(distance(y[k], nets[static_cast<std::size_t>(k)](x)), 1e-14);
  const Tensor own = nn::functional_call(nets[0], all, stack({x, 2 * x, 3 * x}));
  EXPECT_LT(distance(own[2], nets[2](3 * x)), 1e-14);
  nn::Sequential other(nn::Linear(3, 4));
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] {
                 nn::stack_modules({&nets[0], &other});
               }),
               "[stack_modules] got '0' as Linear 3 -> 4, and in the first module Linear 3 -> 5"));
}

TEST(StackModules, TakeOneRowAndRefuseWhatCountsDimensions) {
  std::vector<nn::Sequential> nets{net(1), net(2), net(3)};
  const nn::NamedTensors all = nn::stack_modules({&nets[0], &nets[1], &nets[2]});
  const Tensor row = inputs()[0], y = nn::functional_call(nets[0], all, row);
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  for (std::int64_t k = 0; k < 3; ++k)
    EXPECT_LT(distance(y[k], nets[static_cast<std::size_t>(k)](row)), 1e-14);

  const auto with = [](auto layer) {
    nn::Sequential made(nn::Linear(3, 4), layer, nn::Linear(4, 2));
    made.to(kFloat64);
    return made;
  };
  const auto refusal = [&](nn::Sequential model) {
    const nn::NamedTensors two = nn::stack_modules({&model, &model});
    return message_of<ValueError>([&] { nn::functional_call(model, two, inputs()); });
  };
  EXPECT_TRUE(has_text(refusal(with(nn::Softmax(1))), "got '1' (Softmax dim=1) among layers side"));
  EXPECT_TRUE(has_text(refusal(with(nn::LogSoftmax(0))), "element by element or on the last"));
  EXPECT_TRUE(has_text(refusal(with(nn::Flatten())), "got '1' (Flatten"));
  nn::Sequential last = with(nn::Softmax(-1));
  EXPECT_EQ(nn::functional_call(last, nn::stack_modules({&last, &last}), inputs()).shape(),
            (Shape{2, 6, 2}));

  nn::Sequential relu = with(nn::ReLU()), tanh = with(nn::Tanh()), single = with(nn::ReLU());
  single.to(kFloat32);
  EXPECT_TRUE(has_text(message_of<StateError>([&] {
                         nn::stack_modules({&relu, &tanh});
                       }),
                       "[stack_modules] got '1' as Tanh, and in the first module ReLU"));
  EXPECT_TRUE(has_text(message_of<StateError>([&] {
                         nn::stack_modules({&relu, &single});
                       }),
                       "of float64(4,) and of float32(4,), expected modules that are alike"));
  const auto pair = [] { return nn::Sequential(nn::Linear(2, 2), nn::Linear(2, 2)); };
  nn::Sequential free = pair(), tied = pair();
  tied.at<nn::Linear>(1).weight = tied.at<nn::Linear>(0).weight;
  EXPECT_TRUE(has_text(message_of<StateError>([&] {
                         nn::stack_modules({&tied, &free});
                       }),
                       "in 1 of 2 modules, expected it in all. Hint: are weights tied"));
  nn::Sequential more(nn::Linear(3, 4), nn::ReLU(), nn::Linear(4, 2), nn::Tanh());
  more.to(kFloat64);
  EXPECT_TRUE(has_text(message_of<StateError>([&] {
                         nn::stack_modules({&more, &relu});
                       }),
                       "[stack_modules] got a module of 4 parts, and the first has 5"));
  nn::Sequential norm = with(nn::LayerNorm(4));
  const nn::NamedTensors norms = nn::stack_modules({&norm, &norm});
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { nn::functional_call(norm, norms, inputs()); }),
                       "Hint: only Linear layers run side by side"));
}

TEST(StackModules, TrainAsEachAloneAlsoCompiled) {
  std::vector<nn::Sequential> nets{net(1), net(2), net(3)};
  const Tensor x = inputs(), y = sin(x).narrow(1, 0, 2);
  nn::NamedTensors all = nn::stack_modules({&nets[0], &nets[1], &nets[2]});
  Parameters parameters;
  for (auto& [name, value] : all) parameters.push_back({name, value});
  optim::Optimizer together(parameters, optim::Adam{.lr = 0.1});
  auto step = compile([&](const Tensor& input, const Tensor& target) {
    together.zero_grad();
    const Tensor outputs = nn::functional_call(nets[0], all, input);
    const Tensor loss = nn::mse_loss(outputs, target.expand(outputs.shape())) * 3;
    loss.backward();
    together.step();
    return loss;
  });
  for (int i = 0; i < 20; ++i) step(x, y);
  for (std::size_t k = 0; k < 3; ++k) {
    optim::Optimizer alone(nets[k].parameters(), optim::Adam{.lr = 0.1});
    for (int i = 0; i < 20; ++i) {
      alone.zero_grad();
      nn::mse_loss(nets[k](x), y).backward();
      alone.step();
    }
    for (const Parameter& p : nets[k].parameters())
      EXPECT_LT(distance(all.at(p.name)[static_cast<std::int64_t>(k)], p.value), 1e-12) << p.name;
  }
}

TEST(StackModules, RefuseInputsOfOtherShapes) {
  std::vector<nn::Sequential> nets{net(1), net(2)};
  const nn::NamedTensors all = nn::stack_modules({&nets[0], &nets[1]});
  const auto call = [&](const Tensor& x) { return nn::functional_call(nets[0], all, x); };
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         call(ones({3, 6, 3}, kFloat64));
                       }),
                       "[linear] got input (3, 6, 3) and weight (2, 5, 3), expected input (in), "
                       "(N, in) or (K, N, in) and weight (K, out, in)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         call(ones({6, 4}, kFloat64));
                       }),
                       "(K, out, in) with equal in (4 != 3)"));
  const Tensor x = ones({6, 3}), w = ones({2, 5, 3});
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         linear(x, w, ones({3, 5}));
                       }),
                       "[linear] got bias (3, 5) for weight (2, 5, 3), expected (2, 5)"));
  EXPECT_EQ(linear(ones({3}), w, ones({5})).shape(), (Shape{2, 5}));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         linear(ones({3, 6, 3}), w[0], ones({2, 5}));
                       }),
                       "(N, in) or (K, N, in) and weight (out, in) for a bias (K, out)"));
  const Tensor whole = ones({5, 3}, kInt64);
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] {
                         linear(ones({6, 3}, kInt64), whole);
                       }),
                       "Hint: convert the input with .to(float32)"));
}

TEST(PerSampleGrad, IsTheGradientOfEachSampleAlone) {
  const Tensor x = inputs(), y = tensor({0, 1, 1, 0, 1, 0});
  struct Own : nn::Module {
    nn::Linear first = register_module("first", nn::Linear(3, 4));
    nn::LayerNorm norm = register_module("norm", nn::LayerNorm(4));
    nn::Linear last = register_module("last", nn::Linear(4, 2));
    Tensor forward(const Tensor& z) override { return last(norm(relu(first(z)))); }
  };
  nn::Sequential fast = net(4);
  Own slow;
  slow.to(kFloat64);
  for (nn::Module* m : {static_cast<nn::Module*>(&fast), static_cast<nn::Module*>(&slow)}) {
    const nn::NamedTensors all = nn::per_sample_grad(*m, each_loss, x, y);
    EXPECT_EQ(all.size(), m->parameters().size());
    for (std::int64_t i = 0; i < 6; ++i) {
      m->zero_grad();
      each_loss((*m)(x.narrow(0, i, 1)), y.narrow(0, i, 1)).sum().backward();
      for (const Parameter& p : m->parameters())
        EXPECT_LT(distance(all.at(p.name)[i], p.value.grad()), 1e-14) << p.name << " of " << i;
    }
  }
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([&] {
        nn::per_sample_grad(
            fast, [](const Tensor& a, const Tensor& b) { return nn::cross_entropy(a, b); }, x, y);
      }),
      "[per_sample_grad] got losses (), expected (6,). Hint: Reduction::none"));
}

TEST(FunctionalCall, StacksWeightsWithAnyBiasAndInput) {
  manual_seed(3);
  nn::Linear m(2, 3);
  Generator generator(4);
  const Tensor w = randn({2, 3, 2}, generator), b = randn({2, 3}, generator);
  for (const std::int64_t n : {1, 2, 3, 5}) {
    const Tensor x = randn({n, 2}, generator);
    const Tensor one = nn::functional_call(m, {{"weight", w}}, x),
                 other = nn::functional_call(m, {{"bias", b}}, x);
    ASSERT_EQ(one.shape(), (Shape{2, n, 3}));
    ASSERT_EQ(other.shape(), (Shape{2, n, 3}));
    for (int k = 0; k < 2; ++k) {
      EXPECT_LT(distance(one[k], linear(x, w[k], m.bias)), 1e-6);
      EXPECT_LT(distance(other[k], linear(x, m.weight, b[k])), 1e-6);
    }
  }
  const Tensor x = randn({2}, generator);
  const Tensor all = nn::functional_call(m, {{"weight", w}, {"bias", b}}, x);
  ASSERT_EQ(all.shape(), (Shape{2, 3}));
  EXPECT_LT(distance(all[1], linear(x, w[1], b[1])), 1e-6);
}

TEST(FunctionalCall, ReplacesASharedParameterEverywhere) {
  manual_seed(5);
  nn::Linear first(2, 2), last(2, 2);
  last.weight = first.weight;
  nn::Sequential m(first, nn::Tanh(), last);
  m.to(kFloat64);
  const Tensor w = m[0].parameters()[0].value, x = ones({1, 2}, kFloat64);
  m(x).sum().backward();
  const Tensor slope = grad([&](const Tensor& z) {
    return nn::functional_call(m, {{"0.weight", z}}, x).sum();
  })(w.detach());
  EXPECT_LT(distance(slope, w.grad()), 1e-15);
}

/// Adds its input to what the layers give.
struct Residual : nn::Sequential {
  using Sequential::Sequential;
  Tensor forward(const Tensor& x) override { return x + Sequential::forward(x); }
};

TEST(PerSampleGrad, AsksEveryForward) {
  manual_seed(6);
  Residual m(nn::Linear(2, 2), nn::Tanh());
  m.to(kFloat64);
  const Tensor x = ones({3, 2}, kFloat64), y = zeros({3, 2}, kFloat64);
  nn::mse_loss(m(x), y, nn::Reduction::sum).backward();
  const auto each = [](const Tensor& z, const Tensor& t) { return (z - t).square().sum({1}); };
  const nn::NamedTensors g = nn::per_sample_grad(m, each, x, y);
  EXPECT_LT(distance(g.at("0.weight").sum({0}), m[0].parameters()[0].value.grad()), 1e-14);
  EXPECT_EQ(nn::per_sample_grad(m, each, zeros({0, 2}, kFloat64), zeros({0, 2}, kFloat64))
                .at("0.weight")
                .shape(),
            (Shape{0, 2, 2}));
  nn::Sequential plain(nn::Linear(2, 2));
  plain.to(kFloat64);
  const nn::NamedTensors deep = nn::per_sample_grad(
      plain,
      [](const Tensor& z, const Tensor&) {
        return z.square().sum({1, 2});
      },
      ones({4, 3, 2}, kFloat64), zeros({4}));
  EXPECT_EQ(deep.at("0.weight").shape(), (Shape{4, 2, 2}));
}

TEST(StackModules, RefusesANullPointer) {
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { nn::stack_modules({nullptr}); }),
                       "got a null pointer"));
}

}  // namespace
}  // namespace descent
