// One training run: the tables of names, the description of an optimizer, and the loop.
#include "run/jobs.h"
#include "run/training.h"
#include "tests/support/temporary_folder.h"

#include <descent/core/parallel.h>
#include <gtest/gtest.h>
#include <CLI/CLI.hpp>
#include <atomic>
#include <clocale>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

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
    EXPECT_FALSE(Training(o, model, parts.train, parts.test).trainer.run().diverged) << row.name;
  }
}

TEST(Choices, EveryActivationAndScheduleMakesARun) {
  const descent::data::Dataset d = load_data({.data = "iris"});
  for (const descent::nn::NamedActivation& a : descent::nn::named_activations())
    for (const Schedule& s : schedules()) {
      const Options o{.data = "iris",
                      .hidden = {3},
                      .activation = a.name,
                      .schedule = s.name,
                      .warmup = 2,
                      .epochs = 1};
      descent::nn::Sequential model = make_model(o, d);
      EXPECT_FALSE(Training(o, model, d, d).trainer.run().diverged) << a.name << " " << s.name;
    }
}

TEST(Choices, AnUnknownNameIsRefusedWithTheListAndTheNearest) {
  const descent::data::Dataset d = load_data({.data = "iris"});
  EXPECT_EQ(message_of([&] { make_model({.activation = "rellu"}, d); }),
            "[mlp] got the activation 'rellu', expected one of relu, tanh, sigmoid, gelu, silu, "
            "leaky_relu, elu, "
            "softplus. Hint: did you mean 'relu'?");
  descent::nn::Sequential model = make_model({}, d);
  EXPECT_EQ(
      message_of([&] { make_optimizer({.schedule = "cosin"}, model.parameters(), 9); }),
      "[--schedule] got 'cosin', expected one of constant, step, exponential, linear, cosine, "
      "coslog4, one_cycle, plateau. Hint: did you mean 'cosine'?");
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
  const descent::optim::Optimizer& made = training.optimizer;
  EXPECT_NE(made.to_string().find("cosine(0.001, 8)"), std::string::npos) << made.to_string();
  EXPECT_EQ(made.steps(), 0);
  const app::Run run = training.trainer.run();
  EXPECT_EQ(made.steps(), 8);
  EXPECT_EQ(run.gradient_evaluations, 8);
  EXPECT_EQ(run.epochs.size(), 2U);
}

/// Sets a locale that writes numbers with a comma. `set` is false where the system cannot make it.
struct CommaLocale {
  descent::testing::TemporaryFolder folder;
  bool set = false;
  CommaLocale() {
    const std::string make =
        "localedef -i de_DE -f UTF-8 " + folder / "de_DE.UTF-8" + " >/dev/null 2>&1";
    set = std::system(make.c_str()) == 0 && ::setenv("LOCPATH", folder.path.c_str(), 1) == 0 &&
          std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;
  ~CommaLocale() { std::setlocale(LC_ALL, "C"); }
};

TEST(Locale, OfTheHostChangesNoNumber) {
  const CommaLocale comma;
  if (!comma.set) GTEST_SKIP() << "no localedef";
  ASSERT_EQ(std::strtod("0.5", nullptr), 0) << "the locale has no comma";
  EXPECT_EQ(descent::parse_number("0.5"), 0.5);
  EXPECT_EQ(format(0.5, "%.2f s"), "0.50 s");
  EXPECT_EQ(format(1e-7, "%.3g"), "1e-07");
  EXPECT_EQ(duration(1.5), "1.5 s");
  Options o;
  CLI::App command;
  add_options(command, o, true);
  command.parse("--lr 0.5 --dropout 0.25 --time-limit 1.5m --validation 0.125");
  EXPECT_EQ(o.lr, 0.5);
  EXPECT_EQ(o.dropout, 0.25);
  EXPECT_EQ(o.time_limit, 90);
  EXPECT_EQ(o.validation, 0.125);
  descent::nn::Linear layer(2, 2);
  const std::string text = "sgd(lr=cosine(0.5, 10, 0.25), momentum=0.125)";
  EXPECT_TRUE(descent::optim::make(text, layer.parameters())
                  .to_string()
                  .starts_with("sgd(lr=cosine(0.5, 10, 0.25), momentum=0.125"));
  EXPECT_EQ(descent::data::parse_csv("1.5,2.5\n3.5,4.5\n").x[1][0].item(), 3.5);
  EXPECT_EQ(json_text(nlohmann::ordered_json::parse("[0.5,1e-7]")), "[0.5,1e-07]");
}

TEST(Jobs, ThrowWhatTheFirstOfThemThrows) {
  const int before = descent::num_threads();
  descent::set_num_threads(2);
  std::atomic<bool> second_failed{false};
  const auto job = [&](std::size_t i) {
    // The first job fails last.
    while (i == 0 && !second_failed) std::this_thread::yield();
    if (i == 1) second_failed = true;
    throw descent::Error(i == 0 ? "the first" : "another");
  };
  EXPECT_EQ(message_of([&] { run_jobs(5, job, [](std::size_t) { return ""; }); }), "the first");
  descent::set_num_threads(before);
}

}  // namespace
