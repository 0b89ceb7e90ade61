// Trainer: what it trains, when it ends, and that it goes on where it was saved.
#include <descent/descent.h>
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <cmath>

namespace {

using namespace descent;
using descent::testing::message_of;
using descent::testing::TemporaryFolder;

struct Problem {
  data::Split parts = data::split(data::iris(), 0.8, 1);
  nn::Sequential model;
  optim::Optimizer optimizer;

  explicit Problem(bool batch_norm = false)
      : model(make(batch_norm)), optimizer(model.parameters(), optim::Adam{.lr = 0.02}) {}
  static nn::Sequential make(bool batch_norm) {
    manual_seed(1);
    return nn::mlp({.inputs = 4, .hidden = {8}, .outputs = 3, .batch_norm = batch_norm});
  }
  Trainer trainer(TrainerOptions o = {}) {
    return {model, optimizer, parts.train, parts.test, std::move(o)};
  }
};

TEST(Trainer, LearnsAndSaysWhatItReached) {
  Problem p;
  p.model.eval();
  const TrainingResult r = p.trainer({.epochs = 40}).run();
  ASSERT_EQ(r.epochs.size(), 40U);
  EXPECT_FALSE(r.diverged);
  EXPECT_FALSE(p.model.is_training()) << "the mode is as it was";
  const Score now = evaluate(p.model, p.parts.test);
  EXPECT_EQ(now.loss, r.validation.loss);
  EXPECT_EQ(now.accuracy, r.epochs.back().validation.accuracy);
  EXPECT_GT(now.accuracy, 0.8);
  EXPECT_EQ(r.gradient_evaluations, training_steps(p.model, p.parts.train, {.epochs = 40}));
}

TEST(Trainer, KeepsTheBestWeightsIfItStopsEarly) {
  Problem p;
  p.optimizer.set("lr", 0.3);
  const TrainingResult r = p.trainer({.epochs = 300, .patience = 5}).run();
  ASSERT_LT(r.epochs.size(), 300U);
  double best = INFINITY;
  for (const Epoch& e : r.epochs) best = std::min(best, e.validation.loss);
  EXPECT_EQ(r.validation.loss, best);
  EXPECT_EQ(r.epochs[static_cast<std::size_t>(r.best_epoch) - 1].validation.loss, best);
  EXPECT_EQ(std::ssize(r.epochs), r.best_epoch + 6);
}

TEST(Trainer, GoesOnAtAnyBatchWithTheSameBits) {
  const TrainerOptions options{
      .epochs = 6, .patience = 3, .plateau = optim::PlateauOptions{.patience = 0}};
  Problem whole(true);
  const TrainingResult expected = whole.trainer(options).run();
  for (const int stop : {1, 3, 4, 7}) {
    const TemporaryFolder folder;
    struct Stopped {};
    Problem first(true);
    Trainer a = first.trainer(options);
    Checkpoint saving(folder.path.string());
    a.add_to(saving);
    int batches = 0;
    EXPECT_THROW(a.run({.batch =
                            [&] {
                              if (++batches < stop) return;
                              saving.save();
                              throw Stopped{};
                            }}),
                 Stopped);
    Problem second(true);
    Trainer b = second.trainer(options);
    Checkpoint loading(folder.path.string());
    b.add_to(loading);
    ASSERT_TRUE(loading.load());
    const TrainingResult r = b.run();
    ASSERT_EQ(r.epochs.size(), expected.epochs.size()) << stop;
    for (std::size_t e = 0; e < r.epochs.size(); ++e) {
      EXPECT_EQ(r.epochs[e].train.loss, expected.epochs[e].train.loss) << stop << " " << e;
      EXPECT_EQ(r.epochs[e].validation.loss, expected.epochs[e].validation.loss);
      EXPECT_EQ(r.epochs[e].lr, expected.epochs[e].lr);
    }
    EXPECT_EQ(r.validation.loss, expected.validation.loss);
  }
}

TEST(Trainer, CountsSamplesByTheirWeights) {
  // A sample of weight 0 changes nothing, whatever it says.
  Problem with, without;
  const std::int64_t n = with.parts.train.size();
  std::vector<std::int64_t> wrong = with.parts.train.y.to_vector<std::int64_t>();
  std::vector<double> weight(static_cast<std::size_t>(n), 1.0);
  for (std::size_t i = 0; i < wrong.size(); i += 3) weight[i] = 0, wrong[i] = (wrong[i] + 1) % 3;
  const Tensor w = tensor(weight).to(kFloat32);
  with.parts.train.y = tensor(wrong);
  const TrainerOptions options{.epochs = 3, .weight = w};
  with.trainer(options).run();
  without.trainer(options).run();
  const auto a = with.model.parameters(), b = without.model.parameters();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(allclose(a[i].value, b[i].value, 0, 0));
}

TEST(Trainer, GivesRulesOfLeastSquaresTheResidualsOfItsLoss) {
  // The line of least weighted squares through a parabola is known.
  manual_seed(4);
  const Tensor x = linspace(-2, 2, 60).unsqueeze(1), y = square(x) + x;
  const data::Dataset curve{.name = "curve", .x = x, .y = y};
  for (const bool weighted : {false, true}) {
    nn::Sequential model(nn::Linear(1, 1));
    optim::Optimizer lm(model.parameters(), optim::LevenbergMarquardt{.max_iter = 40});
    TrainerOptions options{.epochs = 1, .batch_size = 60};
    const Tensor w = weighted ? arange(0, 60) / 29.5 : ones({60});
    if (weighted) options.weight = w;
    const TrainingResult r = Trainer(model, lm, curve, curve, options).run();
    const auto mean_of = [&](const Tensor& t) {
      return (sum(t.squeeze(1) * w) / sum(w)).to(kFloat64).item();
    };
    const double slope =
        (mean_of(x * y) - mean_of(x) * mean_of(y)) / (mean_of(x * x) - mean_of(x) * mean_of(x));
    EXPECT_NEAR(model.parameters()[0].value.item(), slope, 1e-4);
    EXPECT_GT(r.gradient_evaluations, 5) << "passes for the Jacobians count";
  }
  Problem classes;
  optim::Optimizer lm(classes.model.parameters(), optim::LevenbergMarquardt{});
  EXPECT_TRUE(message_of<ValueError>([&] {
                Trainer(classes.model, lm, classes.parts.train, classes.parts.test);
              }).find("got classes for lm") != std::string::npos);
}

TEST(Trainer, WarnsOnceAboutBatchesForARuleThatWantsAllData) {
  std::vector<std::string> messages;
  logging::set_sink([&](logging::Level, std::string_view text) { messages.emplace_back(text); });
  Problem p;
  optim::Optimizer bfgs(p.model.parameters(), optim::BFGS{});
  for (int i = 0; i < 2; ++i)
    Trainer(p.model, bfgs, p.parts.train, p.parts.test, {.batch_size = 32});
  logging::set_sink({});
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_NE(messages[0].find("Trainer: bfgs wants all 120 samples at each step, got batches of 32. "
                             "Hint: one batch of all"),
            std::string::npos)
      << messages[0];
}

TEST(Trainer, LeavesTheModelWithTheAverage) {
  Problem p(true);
  optim::Optimizer averaged = optim::swa(std::move(p.optimizer), {.start = 6});
  const TrainingResult r =
      Trainer(p.model, averaged, p.parts.train, p.parts.test, {.epochs = 8}).run();
  EXPECT_TRUE(r.averaged);
  EXPECT_EQ(evaluate(p.model, p.parts.test).loss, r.validation.loss);
  EXPECT_EQ(r.validation.loss, r.epochs.back().validation.loss);
}

TEST(Trainer, BalancedChoosesTheEpochWhereClassesCountAlike) {
  // 30 samples of class 0 and 3 of class 1: the plain loss hardly sees the rare class.
  data::Dataset d;
  Generator generator(5);
  d.x = randn({33, 1}, generator);
  std::vector<std::int64_t> labels(33, 0);
  labels[0] = labels[1] = labels[2] = 1;
  d.y = tensor(labels);
  std::int64_t before = 0;
  for (const bool balanced : {false, true}) {
    manual_seed(3);
    nn::Sequential model(nn::Linear(1, 2));
    optim::Optimizer sgd(model.parameters(), optim::SGD{.lr = 0.05});
    std::vector<double> losses;
    const auto loss_of = [&](std::int64_t from, std::int64_t to) {
      return evaluate(model, d.subset(arange(from, to).to(kInt64))).loss;
    };
    const TrainingResult r =
        Trainer(model, sgd, d, d, {.epochs = 60, .patience = 59, .balanced = balanced})
            .run({.epoch = [&](const Epoch& e) {
              losses.push_back(balanced ? (loss_of(0, 3) + loss_of(3, 33)) / 2 : e.validation.loss);
            }});
    EXPECT_EQ(r.best_epoch, std::min_element(losses.begin(), losses.end()) - losses.begin() + 1);
    EXPECT_NE(r.best_epoch, before);
    before = r.best_epoch;
  }
}

TEST(Trainer, EndsAtTheTimeLimitAndWhereItDiverges) {
  Problem p;
  const TrainingResult r = p.trainer({.epochs = 1000000, .time_limit = 0.02}).run();
  EXPECT_TRUE(r.out_of_time);
  EXPECT_LT(r.epochs.size(), 1000000U);
  Problem q;
  optim::Optimizer wild(q.model.parameters(), optim::SGD{.lr = 1e30});
  const TrainingResult bad = Trainer(q.model, wild, q.parts.train, q.parts.test, {}).run();
  EXPECT_TRUE(bad.diverged);
  EXPECT_FALSE(bad.failure.empty());
}

TEST(Trainer, KeepsTheBestWeightsWhereItDiverges) {
  Problem p;
  int batches = 0;
  Trainer trainer = p.trainer({.epochs = 20, .patience = 10});
  const TrainingResult r = trainer.run({.batch = [&] {
    if (++batches == 30) p.model.parameters()[0].value.detach().fill_(NAN);
  }});
  EXPECT_TRUE(r.diverged);
  EXPECT_GT(r.best_epoch, 0);
  EXPECT_EQ(evaluate(p.model, p.parts.test).loss, r.validation.loss);
  EXPECT_TRUE(std::isfinite(r.validation.loss));
}

TEST(Trainer, RefusesWhatCannotBe) {
  Problem p;
  EXPECT_EQ(message_of<ValueError>([&] { p.trainer({.epochs = -1}); }),
            "[Trainer] got epochs -1, patience 0, time_limit 0, expected 0 or more");
  EXPECT_EQ(message_of<ShapeError>([&] { p.trainer({.weight = ones({3})}); }),
            "[Trainer] got weights (3,), expected one for each of 120 samples");
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    const Tensor weight = ones({120});
    weight[7] = bad;
    EXPECT_EQ(message_of<ValueError>([&] { p.trainer({.weight = weight}); }),
              "[Trainer] got a weight that is negative or not finite, expected 0 or more");
  }
  EXPECT_EQ(message_of<StateError>([&] { p.trainer().load_state_dict({}); }),
            "[history] got a state without the numbers 'lr', expected them");
}

TEST(Fit, TrainsAndTellsItsCallbacks) {
  Problem p;
  data::DataLoader loader(p.parts.train, {.batch_size = 32, .seed = 1});
  std::int64_t batches = 0, ends = 0, finished = 0;
  const TemporaryFolder folder;
  const auto history = fit(p.model, p.optimizer, loader,
                           {.epochs = 30,
                            .validation = p.parts.test,
                            .callbacks = {[&](const FitProgress& f) {
                                            batches += !f.epoch_ended && !f.finished;
                                            ends += f.epoch_ended;
                                            finished += f.finished;
                                            return true;
                                          },
                                          save_best(folder / "best.safetensors"),
                                          log_csv(folder / "log.csv"), progress_bar()}});
  ASSERT_EQ(history.size(), 30U);
  EXPECT_EQ(batches, 30 * loader.batches());
  EXPECT_EQ(ends, 30);
  EXPECT_EQ(finished, 1);
  EXPECT_LT(history.back().loss, 0.5 * history.front().loss);
  double best = INFINITY;
  for (const FitProgress& f : history) best = std::min(best, f.validation->loss);
  p.model.load(folder / "best.safetensors");
  EXPECT_EQ(evaluate(p.model, p.parts.test).loss, best);
  const std::string log = read_file(folder / "log.csv");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 31);
  EXPECT_TRUE(log.starts_with("epoch,loss,val_loss,val_accuracy,seconds\n1,"));
}

TEST(Fit, StopsEarlyWithTheBestWeightsAndWhereACallbackSays) {
  Problem p;
  p.optimizer.set("lr", 0.3);
  data::DataLoader loader(p.parts.train, {.batch_size = 32, .seed = 1});
  const auto history =
      fit(p.model, p.optimizer, loader,
          {.epochs = 300, .validation = p.parts.test, .callbacks = {stop_early(5)}});
  ASSERT_LT(history.size(), 300U);
  double best = INFINITY;
  for (const FitProgress& f : history) best = std::min(best, f.validation->loss);
  EXPECT_EQ(evaluate(p.model, p.parts.test).loss, best);
  const auto cut = fit(p.model, p.optimizer, loader,
                       {.callbacks = {[](const FitProgress& f) { return f.batch < 2; }}});
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].batch, 2);
}

}  // namespace
