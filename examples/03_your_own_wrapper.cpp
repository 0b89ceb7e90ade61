// Lesson 3: wrappers of your own. A wrapper is one struct around any optimizer. It gets text,
// saving, checking, the order of wrappers and the same tests as the built-in ones.
#include <descent/descent.h>
#include <descent/optim/testing/conformance.h>

using namespace descent;

/// Gradient centralisation (Yong et al. 2020, arXiv:2004.01461): the gradient of each unit, a row
/// of a matrix, loses its mean.
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
    u.inner();  // the step of what is inside
  }
};

/// Cautious update (Liang et al. 2024, arXiv:2411.16085): of what a step did to the weights, only
/// the part that goes against the gradient stays, scaled by n/(kept + 1).
struct Cautious {
  optim::Hyper strength = 1;  // 0: the plain step, 1: the paper's

  static constexpr optim::Card card{.name = "cautious",
                                    .title = "Cautious update",
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
      const Tensor w = u.weight(i), change = w - before[i], agrees = change * gradients[i] < 0;
      kept = agrees.sum().item<std::int64_t>();
      const double scale = static_cast<double>(w.numel()) / static_cast<double>(kept + 1);
      const Tensor cautious = where(agrees, change * scale, 0.0);
      w.copy_(before[i] + change + (cautious - change) * share);
    }
  }

  std::int64_t kept = 0;  // weights of the last parameter that moved in the last step
};

TEST(Lesson, ComposesWithEverything) {
  manual_seed(1);
  auto [train, test] = data::split(data::digits(), 0.8, 1);
  nn::Sequential model(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer lion(model.parameters(), optim::Lion{.lr = optim::cosine(1e-3, 450)});
  auto optimizer = optim::ema(
      optim::wrap(optim::wrap(optim::clip_norm(std::move(lion), 1.0), Centralise{}), Cautious{}),
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

TEST(Lesson, HasTextThatIsReadAgain) {
  optim::register_optimizer<Centralise>();
  optim::register_optimizer<Cautious>();
  const Parameters parameters{{"w", ones({2, 3}).requires_grad_()}};
  const char* text = "ema(cautious(centralise(sgd(lr=0.1)), strength=0.5), decay=0.9)";
  const std::string printed = optim::make(text, parameters).to_string();
  EXPECT_EQ(optim::make(printed, parameters).to_string(), printed);
  // The order is checked as that of any wrapper: an average goes outside.
  EXPECT_THROW(optim::make("cautious(ema(sgd))", parameters), ValueError);
}

// Everything that holds for Descent's own wrappers, tested for these.
DESCENT_CONFORMANCE(Yours, optim::conformance::subject("centralise", Centralise{}),
                    optim::conformance::subject("cautious", Cautious{}));
