// Lesson 3: wrappers of your own. A wrapper is a struct, and wrap() puts it around any optimizer.
// The wrapper gets text, saving, checking, the rules for orders and the tests of the built-in
// wrappers. optim/README.md explains how this works; optim/engine/wrapper.h lists what else a
// wrapper may have.
#include <descent/descent.h>
#include <descent/optim/testing/conformance.h>

using namespace descent;

/// Gradient centralisation. Source: Yong et al. 2020, arXiv:2004.01461. From each row of a matrix's
/// gradient, subtracts the mean of the row. Vectors stay as they are.
struct Centralise {
  static constexpr optim::Card card{.name = "centralise",
                                    .title = "Gradient centralisation",
                                    .formula = "g ← g − mean of g over each unit",
                                    .paper = "Yong et al. 2020, arXiv:2004.01461"};
  static constexpr optim::Role role = optim::Role::changes_gradients;
  static void fields(auto&, auto&&) {}  // no settings

  void apply(optim::Update& u) {
    for (std::size_t i = 0; i < u.size(); ++i) {
      const Tensor g = u.gradient(i);
      if (g.defined() && g.dim() > 1) u.set_gradient(i, g - g.mean({-1}, true));
    }
    u.inner();  // makes the step of the optimizer inside
  }
};

/// Cautious update of any strength. Source: Liang et al. 2024, arXiv:2411.16085; optim::Cautious is
/// that of strength 1. If a step moved a weight along its
/// gradient, the weight goes back. The other weights of the parameter move n/(kept + 1) times as
/// far. n is the number of weights of the parameter, and `kept` is the number of weights that did
/// not go back. The paper masks the update of the rule; this wrapper masks what the whole step
/// changed, weight decay included.
struct Careful {
  optim::Hyper strength = 1;  // 0 leaves the step as it is, 1 is the paper's update

  static constexpr optim::Card card{.name = "careful",
                                    .title = "Cautious update of any strength",
                                    .formula = "Δ ← Δ · [Δ·g < 0] · n/(kept + 1)",
                                    .paper = "Liang et al. 2024, arXiv:2411.16085"};
  static constexpr optim::Role role = optim::Role::moves_weights;
  static void fields(auto& o, auto&& f) { f("strength", o.strength, optim::kClosedUnit); }
  void state(auto& visit) { visit("kept", kept); }  // saved with the optimizer
  void apply(optim::Update& u) {
    std::vector<Tensor> before, gradients;
    for (std::size_t i = 0; i < u.size(); ++i) {
      before.push_back(u.weight(i).clone());
      gradients.push_back(u.gradient(i));
    }
    const double share = strength(u.step());
    if (!u.inner()) return;  // no step was made
    for (std::size_t i = 0; i < u.size(); ++i) {
      if (!gradients[i].defined()) continue;
      const Tensor w = u.weight(i), change = w - before[i];
      const Tensor agrees = change * gradients[i] * u.sign(i) < 0;
      kept = agrees.sum().item<std::int64_t>();
      const double scale = double(w.numel()) / double(kept + 1);
      const Tensor careful = where(agrees, change * scale, 0.0);
      w.copy_(before[i] + change + (careful - change) * share);
    }
  }

  std::int64_t kept = 0;  // of the last parameter in the last step
};

TEST(Lesson, ComposesWithEverything) {
  manual_seed(1);
  auto [train, test] = data::split(data::digits(), 0.8, 1);
  nn::Sequential model(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer lion(model.parameters(), optim::Lion{.lr = optim::cosine(1e-3, 450)});
  auto optimizer = optim::ema(
      optim::wrap(optim::wrap(optim::clip_norm(std::move(lion), 1.0), Centralise{}), Careful{}),
      0.95);
  for (int epoch = 0; epoch < 10; ++epoch)
    for (auto [x, y] : data::DataLoader(train, {.batch_size = 32, .seed = 1}))
      optimizer.step([&, x = x, y = y] {
        const Tensor loss = nn::cross_entropy(model(x), y);
        loss.backward();
        return loss;
      });
  const optim::AverageGuard averaged(optimizer);
  EXPECT_GT(nn::accuracy(model(test.x), test.y), 0.93) << optimizer.to_string();
}

TEST(Lesson, KnowsRulesThatMaximise) {
  const Tensor w = ones({4}).requires_grad_();
  auto optimizer = optim::wrap({{{"w", w}}, optim::SGD{.lr = 0.1, .maximize = true}}, Careful{});
  w.set_grad(ones({4}));
  optimizer.step();
  EXPECT_GT(w.detach().min().item(), 1);
}

TEST(Lesson, HasTextThatIsReadAgain) {
  optim::register_optimizer<Centralise>();
  optim::register_optimizer<Careful>();
  const Parameters parameters{{"w", ones({2, 3}).requires_grad_()}};
  const char* text = "ema(careful(centralise(sgd(lr=0.1)), strength=0.5), decay=0.9)";
  const std::string printed = optim::make(text, parameters).to_string();
  EXPECT_EQ(optim::make(printed, parameters).to_string(), printed);
  // Orders are checked by the role: a wrapper that moves weights goes inside an average.
  EXPECT_THROW(optim::make("careful(ema(sgd))", parameters), ValueError);
}

// The conformance tests: what holds for every wrapper of Descent must hold for these.
DESCENT_CONFORMANCE(Yours, optim::conformance::subject("centralise", Centralise{}),
                    optim::conformance::subject("careful", Careful{}));
