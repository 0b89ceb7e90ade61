// What is no step is also done wholly or not at all: loading, exchanging weights, wrapping,
// setting, plateau and early stopping; and a whole training run that lacks memory loses nothing.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/half.h"
#include "tests/support/errors.h"
#include "tests/support/fail_each.h"
#include "tests/support/temporary_folder.h"

#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::all_of;
using testing::all_optimizers;
using testing::fail_each_allocation;
using testing::has_text;
using testing::kMatrix;
using testing::message_of;
using testing::Pair;
using testing::Problem;
using testing::Thrown;

TEST(Half, StateIsLoadedWhollyOrNotAtAll) {
  for (const auto& [name, description] : all_optimizers()) {
    SCOPED_TRACE(name);
    Pair pair(description);
    pair.step(5);
    for (int t = 0; t < 2; ++t) pair.q.step(pair.twin);
    for (const Field& f : pair.twin.fields())
      if (f.name == "lr") pair.twin.set("lr", f.value * 2);
    const State other = pair.twin.state_dict();
    const auto before = all_of(pair.p, pair.o);
    const State own = pair.o.state_dict();
    // Each entry in its turn is missing, or NaN, or undefined.
    for (const auto& [key, t] : other)
      for (const int way : {0, 1, 2}) {
        State state = other;
        if (way == 0) state.erase(key);
        if (way == 1) state[key] = full(t.shape(), NAN, kFloat64).to(t.dtype());
        if (way == 2) state[key] = Tensor();
        try {
          pair.o.load_state_dict(state);  // a slot may be NaN
          pair.o.load_state_dict(own);
        } catch (const Error&) {
          EXPECT_EQ(all_of(pair.p, pair.o), before) << key << ", " << way;
        }
      }
    Pair again(description);
    again.step(5);
    fail_each_allocation([&] { again.o.load_state_dict(other); },
                         [&] { EXPECT_EQ(all_of(again.p, again.o), before); }, 40);
    again.p.start_at(pair.q);
    for (int t = 0; t < 3; ++t) {
      again.p.step(again.o);
      pair.q.step(pair.twin);
    }
    EXPECT_EQ(all_of(again.p, again.o), all_of(pair.q, pair.twin));
    fail_each_allocation([&] { again.o.state_dict(); }, [] {}, 40);
    EXPECT_EQ(all_of(again.p, again.o), all_of(pair.q, pair.twin));
    if (HasFailure()) return;
  }
}

TEST(Half, WeightsAreExchangedWhollyOrNotAtAll) {
  for (const char* text : {"ema(adamw, 0.9)", "swa(adamw)", "schedule_free_adamw(lr=0.05)",
                           "schedule_free_sgd(lr=0.05)", "asgd(lr=0.01, t0=0)"}) {
    SCOPED_TRACE(text);
    Pair pair(text);
    pair.step(4);
    const auto before = all_of(pair.p, pair.o);
    std::vector<double> averaged;
    fail_each_allocation(
        [&] {
          const AverageGuard guard(pair.o);
          averaged = pair.p.values().to_vector();
        },
        [&] { EXPECT_EQ(all_of(pair.p, pair.o), before); });
    EXPECT_NE(averaged, before.at("weights"));
    EXPECT_EQ(all_of(pair.p, pair.o), before);
    fail_each_allocation([&] { pair.o.swap_average(); },
                         [&] { EXPECT_EQ(all_of(pair.p, pair.o), before); });
    {
      const testing::FailAllocation fail(1);
      pair.o.swap_average();  // the way back needs no memory
      EXPECT_FALSE(fail.failed());
    }
    EXPECT_EQ(all_of(pair.p, pair.o), before);
    pair.step(2);
    pair.expect_alike(text);
  }
}

TEST(Half, OptimizerThatCannotBeWrappedIsAsBefore) {
  Pair pair("schedule_free_adamw(lr=0.05)");
  pair.step(3);
  EXPECT_THROW(ema(std::move(pair.o)), ValueError);           // an average around an average
  EXPECT_THROW(clip_norm(std::move(pair.o), 0), ValueError);  // NOLINT(bugprone-use-after-move)
  pair.step(2);
  pair.expect_alike("refused");
  for (const Entry& e : registry()) {
    if (!e.is_wrapper) continue;
    Pair wrapped("adamw");
    wrapped.step(2);
    const auto before = all_of(wrapped.p, wrapped.o);
    Entry::Settings settings;
    for (const Field& f : e.fields)
      if (f.text == "required") settings.emplace(f.name, 1);
    fail_each_allocation([&] { wrapped.o = e.wrap(std::move(wrapped.o), settings); },
                         [&] { EXPECT_EQ(all_of(wrapped.p, wrapped.o), before) << e.name; });
    wrapped.twin = e.wrap(std::move(wrapped.twin), settings);
    wrapped.step(3);
    wrapped.expect_alike(e.name);
  }
}

TEST(Half, GroupIsAddedWhollyOrNotAtAll) {
  for (const Entry& e : registry()) {
    if (!e.add_group || testing::searches(e.name)) continue;
    const Problem p(kFloat64, kMatrix), q(kFloat64, kMatrix);
    Optimizer o(Parameters{{"a", p.a}}, AdamW{}), twin(Parameters{{"a", q.a}}, AdamW{});
    const auto before = all_of(p, o);
    fail_each_allocation(
        [&] {
          e.add_group(o, {{"b", p.b}}, {});
        },
        [&] { EXPECT_EQ(all_of(p, o), before) << e.name; });
    e.add_group(twin, {{"b", q.b}}, {});
    for (int t = 0; t < 3; ++t) {
      p.step(o);
      q.step(twin);
    }
    EXPECT_EQ(all_of(p, o), all_of(q, twin)) << e.name;
  }
}

TEST(Half, SettingIsSetInAllGroupsOrInNone) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o(Parameters{{"a", p.a}}, SGD{.momentum = 0.9, .nesterov = true});
  o.add_group(Parameters{{"b", p.b}}, SGD{.lr = 0.5});
  const auto before = all_of(p, o);
  EXPECT_THROW(o.set("dampening", 0.5), ValueError);  // goes not with nesterov
  EXPECT_EQ(all_of(p, o), before);
  fail_each_allocation([&] { o.set("lr", cosine(1, 5)); },
                       [&] { EXPECT_EQ(all_of(p, o), before); });
  EXPECT_EQ(o.get("lr", 0), 1);
  EXPECT_EQ(o.get("lr", 1), 1);
}

// ---- what watches the training ----

TEST(Half, PlateauThatThrowsIsAsBefore) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o = accumulate(make("adamw", p.parameters()), 4);
  ReduceOnPlateau plateau(o, {.factor = 0.3, .patience = 0}, "steps");
  plateau.step(1);
  EXPECT_TRUE(plateau.step(1));  // 4 → 1.2
  const State before = plateau.state_dict();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { plateau.step(1); }), "got steps = 0.36"));
    EXPECT_EQ(o.get("steps"), 1.2);
    for (const auto& [key, t] : plateau.state_dict())
      EXPECT_EQ(t.to_vector(), before.at(key).to_vector()) << key;
  }
  o.set("steps", 10);
  const auto all = all_of(p, o);
  fail_each_allocation([&] { plateau.step(1); },
                       [&] {
                         EXPECT_EQ(all_of(p, o), all);
                         EXPECT_EQ(plateau.state_dict().at("plateau/bad").item(), 0);
                       });
  EXPECT_EQ(o.get("steps"), 3);
}

/// A model that cannot be saved at times.
struct Model {
  bool* throws;
  Tensor w = zeros({2});
  State state_dict() const {
    if (*throws) throw Thrown();
    return {{"w", w}};
  }
  void load_state_dict(const State& state) const { w.copy_(state.at("w")); }
};

TEST(Half, EarlyStoppingThatThrowsIsAsBefore) {
  bool throws = false;
  const Model model{&throws};
  EarlyStopping stopping({.patience = 1});
  model.w.fill_(1);
  EXPECT_FALSE(stopping.step(5, model));
  const auto numbers = [&] {
    std::map<std::string, std::vector<double>> all;
    for (const auto& [key, t] : stopping.state_dict()) all[key] = t.to_vector();
    return all;
  };
  const auto before = numbers();
  model.w.fill_(2);
  throws = true;
  EXPECT_THROW(stopping.step(4, model), Thrown);
  EXPECT_EQ(numbers(), before);
  throws = false;
  fail_each_allocation([&] { EXPECT_FALSE(stopping.step(4, model)); },
                       [&] { EXPECT_EQ(numbers(), before); });
  EXPECT_EQ(stopping.best_epoch(), 1);
  const State second = stopping.state_dict();
  EarlyStopping other({.patience = 1});
  fail_each_allocation([&] { other.load_state_dict(second); },
                       [&] { EXPECT_EQ(other.best_epoch(), -1); });
  State spoilt = second;
  spoilt["early_stopping/state/w"] = Tensor();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { other.load_state_dict(spoilt); }),
                       "early_stopping/state/w: got an undefined tensor"));
  other.restore(model);
  EXPECT_EQ(model.w.to_vector(), std::vector<double>(2, 2.0));
}

// ---- the whole of a training run ----

/// Builds a model, trains it by compiled steps unless `eager`, saves model and optimizer, loads
/// both into new objects and goes on. Returns the numbers at the end.
std::vector<double> whole_run(const std::string& description, bool eager,
                              const testing::TemporaryFolder& folder) {
  manual_seed(3);
  const auto make_model = [] {
    return nn::Sequential(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Tanh(), nn::Dropout(0.2),
                          nn::Linear(4, 2));
  };
  const Tensor x = sin(arange(0, 24, 1, kFloat32)).reshape({8, 3}), y = x.slice(1, 0, 2) * 0.5;
  const auto train = [&](nn::Sequential& model, Optimizer& o, std::int64_t epoch) {
    const auto step = [&](const Tensor& a, const Tensor& b) {
      o.step([&] {
        const Tensor l = nn::mse_loss(model(a), b);
        l.backward();
        return l;
      });
    };
    auto fast = compile(step);
    data::DataLoader loader(x, y, {.batch_size = 4, .seed = 1});
    loader.set_epoch(epoch);
    for (auto [a, b] : loader) eager ? step(a, b) : fast(a, b);
  };
  {
    nn::Sequential model = make_model();
    Optimizer o = make(description, model.parameters());
    train(model, o, 0);
    model.save(folder / "model.safetensors");
    save_tensors(folder / "optimizer.safetensors", o.state_dict());
  }
  nn::Sequential model = make_model();
  Optimizer o = make(description, model.parameters());
  model.load(folder / "model.safetensors");
  o.load_state_dict(load_tensors(folder / "optimizer.safetensors").tensors);
  train(model, o, 1);
  std::vector<double> all;
  for (const auto& state : {model.state_dict(), o.state_dict()})
    for (const auto& [key, t] : state)
      for (const double number : t.to_vector()) all.push_back(number);
  return all;
}

TEST(Half, WholeRunThatLacksMemoryLosesNothingAndStartsAgain) {
  const testing::TemporaryFolder folder;
  for (const char* text : {"adamw", "ema(sam(sgd(momentum=0.9)), 0.9)", "muon_adamw",
                           "lbfgs(max_iter=2)", "accumulate(lookahead(noise(lamb)), 2)"}) {
    SCOPED_TRACE(text);
    const bool eager = std::string(text).starts_with("lbfgs") || text[0] == 'm';
    const std::vector<double> expected = whole_run(text, eager, folder);
    const std::uint64_t live = memory_stats().live_bytes;
    std::vector<double> got;
    fail_each_allocation([&] { got = whole_run(text, eager, folder); },
                         [&] { EXPECT_EQ(memory_stats().live_bytes, live); }, 25);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(whole_run(text, eager, folder), expected);
    if (HasFailure()) return;
  }
}

TEST(Moved, OptimizersAndSchedulesSayThatTheyWereMovedAway) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o = make("adamw", p.parameters());
  Optimizer wrapped = sam(std::move(o));
  const std::string gone = "got an optimizer that was moved away";
  // NOLINTBEGIN(bugprone-use-after-move)
  EXPECT_TRUE(has_text(message_of<StateError>([&] { sam(std::move(o)); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.step(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.zero_grad(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.state_dict(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict({}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.set("lr", 1); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.swap_average(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { const AverageGuard guard(o); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.set_tracer({}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.add_group({{"c", p.a}}, SGD{}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { const ReduceOnPlateau plateau(o); }), gone));
  Schedule s = cosine(1, 5);
  const Hyper first = std::move(s);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { s(0); }), "was the schedule moved away?"));
  EXPECT_THROW(Hyper{s}, ValueError);
  SGD rule{.lr = first};
  const SGD taken = std::move(rule);
  EXPECT_EQ(rule.lr(0), 1) << "a setting is copied, never moved";
  EXPECT_EQ(taken.lr(0), 1);
  EarlyStopping stopping;
  const EarlyStopping other = std::move(stopping);
  nn::Linear model(2, 1);
  stopping.step(1, model);
  stopping.restore(model);
  ReduceOnPlateau plateau(wrapped);
  const ReduceOnPlateau second = std::move(plateau);
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { plateau.step(1); }), "expected one that lives"));
  auto step = compile([](const Tensor& x) { return x * 2; });
  auto third = std::move(step);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { step(ones({2})); }), "was moved away"));
  // NOLINTEND(bugprone-use-after-move)
}

}  // namespace
}  // namespace descent