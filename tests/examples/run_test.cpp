// One training run: the tables of names, the description of an optimizer, and the loop.
#include "run/training.h"

#include <gtest/gtest.h>

namespace {

using namespace app;

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const descent::Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Choices, EveryDataSetHasARunThatTrains) {
  for (const NamedData& row : named_data()) {
    const Options o{.data = row.name, .hidden = {4}, .epochs = 1};
    descent::data::Split parts = descent::data::split(load_data(o), 0.8, 1);
    descent::nn::Sequential model = make_model(o, parts.train);
    EXPECT_FALSE(Training(o, model, parts.train, parts.test).run().diverged) << row.name;
  }
}

TEST(Choices, EveryActivationAndScheduleMakesARun) {
  const descent::data::Dataset d = load_data({.data = "iris"});
  for (const Activation& a : activations())
    for (const Schedule& s : schedules()) {
      const Options o{.data = "iris",
                      .hidden = {3},
                      .activation = a.name,
                      .schedule = s.name,
                      .warmup = 2,
                      .epochs = 1};
      descent::nn::Sequential model = make_model(o, d);
      EXPECT_FALSE(Training(o, model, d, d).run().diverged) << a.name << " " << s.name;
    }
}

TEST(Choices, AnUnknownNameIsRefusedWithTheListAndTheNearest) {
  const descent::data::Dataset d = load_data({.data = "iris"});
  EXPECT_EQ(message_of([&] { make_model({.activation = "rellu"}, d); }),
            "[--activation] got 'rellu', expected one of relu, tanh, sigmoid, gelu, silu, "
            "leaky_relu, elu, "
            "softplus. Hint: did you mean 'relu'?");
  descent::nn::Sequential model = make_model({}, d);
  EXPECT_EQ(
      message_of([&] { make_optimizer({.schedule = "cosin"}, model.parameters(), 9); }),
      "[--schedule] got 'cosin', expected one of constant, step, exponential, linear, cosine, "
      "one_cycle, plateau. Hint: did you mean 'cosine'?");
}

TEST(Described, ReadsTheRuleInside) {
  const Described plain("adamw"), wrapped("sam(clip_norm(adamw(lr=0.1), 1), rho=0.05)");
  EXPECT_EQ(plain.outermost(), "adamw");
  EXPECT_FALSE(plain.has_rate());
  EXPECT_DOUBLE_EQ(plain.default_rate(), 0.001);
  EXPECT_EQ(wrapped.outermost(), "sam");
  EXPECT_EQ(wrapped.arguments(), 2U);
  EXPECT_TRUE(wrapped.has_rate());
  EXPECT_DOUBLE_EQ(wrapped.default_rate(), 0.001);
}

TEST(Settings, AreNumbersOrSwitches) {
  EXPECT_EQ(to_string(given_settings({.set = {"momentum=0.9", "nesterov=true"}})),
            "momentum=0.9 nesterov=1");
  EXPECT_NE(message_of([] { given_settings({.set = {"momentum"}}); }).find("expected name=number"),
            std::string::npos);
  EXPECT_NE(message_of([] { given_settings({.set = {"lr=1"}}); }).find("--lr"), std::string::npos);
}

TEST(Training, TrainsWithTheOptimizerThatItMadeAtFirst) {
  const Options o{.data = "iris", .batch_norm = true, .schedule = "cosine", .epochs = 2};
  const descent::data::Dataset d = load_data(o);  // 150 samples: 4 whole batches of 32
  descent::nn::Sequential model = make_model(o, d);
  Training training(o, model, d, d);
  const descent::optim::Optimizer& made = training.optimizer();
  EXPECT_NE(made.to_string().find("cosine(0.001, 8)"), std::string::npos) << made.to_string();
  EXPECT_EQ(made.steps(), 0);
  const app::Run run = training.run();
  EXPECT_EQ(made.steps(), 8);
  EXPECT_EQ(run.gradient_evaluations, 8);
  EXPECT_EQ(run.epochs.size(), 2U);
}

}  // namespace
