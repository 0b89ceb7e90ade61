// Lesson 2: an optimizer of your own, in forty lines. A struct with settings and a formula gets
// groups, schedules, saving, threads, vector instructions and the tests of the built-in optimizers.
// optim/README.md explains how this works; optim/engine/rule.h lists what else a rule may have.
#include <descent/descent.h>
#include <descent/optim/testing/conformance.h>

using namespace descent;

/// θ ← (1−ηλ)θ − η·clip(m/(√v̂ + ε), ±1). m and v are the moving averages of g and g², as in Adam.
struct Bounded {
  optim::Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.99, eps = 1e-8, weight_decay = 0;

  static constexpr optim::Card card{
      .name = "bounded",
      .title = "Adam whose step is never longer than its rate",
      .formula = "m, v as Adam,  θ ← (1−ηλ)θ − η clip(m / (√v̂ + ε), ±1)"};
  // Slots: two numbers that are kept for each weight and start at 0.
  static constexpr std::array slot_names{"m", "v"};
  // The settings with their legal values: for checking, schedules, saving and printing.
  static void fields(auto& rule, auto&& f) {
    f("lr", rule.lr, optim::kNonNegative);
    f("beta1", rule.beta1, optim::kUnit);
    f("beta2", rule.beta2, optim::kUnit);
    f("eps", rule.eps, optim::kNonNegative);
    f("weight_decay", rule.weight_decay, optim::kNonNegative);
  }

  // Runs once a step. Computes in double what is the same for all weights. Returns the formula for
  // one weight: a lambda that takes the weight, the gradient and the two slots.
  template <class T>
  auto at(optim::Step s) const {
    const T eta = T(lr(s)), keep = T(1 - lr(s) * weight_decay(s)), e = T(eps(s));
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T root = T(1 / std::sqrt(1 - std::pow(beta2(s), static_cast<double>(s.t))));
    return [=](auto& w, auto g, auto& m, auto& v) {
      m = b1 * m + k1 * g;
      v = b2 * v + k2 * g * g;
      const auto step = ratio(m, sqrt(v) * root + e);
      w = keep * w - eta * max(-1, min(step, 1));
    };
  }
};

TEST(Lesson, TrainsOnDigits) {
  manual_seed(1);
  auto [train, test] = data::split(data::digits(), 0.8, 1);
  nn::Sequential model(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer plain(model.parameters(), Bounded{.lr = optim::cosine(3e-3, 450)});
  auto optimizer = optim::ema(optim::clip_norm(std::move(plain), 1.0), 0.95);
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

// The conformance tests: what holds for every optimizer of Descent must hold for this one.
DESCENT_CONFORMANCE(Yours, optim::conformance::subject("bounded", Bounded{}));
