// Saved states: files of earlier versions are loaded, and if loading fails, nothing changes.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"
#include "tests/support/reference.h"
#include "tests/support/threads.h"

#include <descent/descent.h>
#include <gtest/gtest.h>
#include <fstream>
#include <set>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

/// Translates the description of an optimizer in version 0.1 into the present description.
std::string todays(const std::string& description) {
  static const std::map<std::string, std::string> renamed{
      {"adam(amsgrad=true)", "amsgrad"},
      {"adam(amsgrad=true, weight_decay=0.1)", "amsgrad(weight_decay=0.1)"},
      {"adamw(amsgrad=true)", "amsgrad(weight_decay=0.01, decoupled=true)"},
      {"sam(clip_norm(adamw(lr=cosine(0.01, 100), amsgrad=true), 1))",
       "sam(clip_norm(amsgrad(lr=cosine(0.01, 100), weight_decay=0.01, decoupled=true), 1))"}};
  const auto found = renamed.find(description);
  return found == renamed.end() ? description : found->second;
}

/// Version 0.1 wrote state_0_1.safetensors.gz. For every optimizer the file holds the state after
/// five steps, the weights after five steps, and the weights after three more steps.
TEST(OldState, OfEveryOptimizerLoadsAndGoesOnAsBefore) {
  const std::string path =
      std::string(DESCENT_REFERENCE_DIR) + "/../optim/states/state_0_1.safetensors.gz";
  const std::string unpacked = ::testing::TempDir() + "descent_state_0_1.safetensors";
  write_file(unpacked, gunzip(read_file(path), path));
  const Archive file = load_tensors(unpacked);
  std::map<std::string, State> states;
  for (const auto& [key, t] : file.tensors) {
    const std::size_t bar = key.find('|');
    states[key.substr(0, bar)][key.substr(bar + 1)] = t;
  }
  EXPECT_GE(states.size(), 60u);
  for (auto& [description, state] : states) {
    SCOPED_TRACE(description);
    const Problem p(kFloat64, {1, 4});
    Optimizer o = make(todays(description), p.parameters());
    const Tensor before = state.extract("before").mapped(), after = state.extract("after").mapped();
    {
      const NoGradGuard guard;
      p.a.copy_(before.slice(0, 0, 6).reshape({2, 3}));
      p.b.copy_(before.slice(0, 6).reshape({1, 4}));
    }
    o.load_state_dict(state);
    EXPECT_EQ(o.steps(), description.starts_with("accumulate") ? 2 : o.steps());
    for (int t = 0; t < 3; ++t) p.step(o);
    EXPECT_LE(testing::deviation(p.values(), after), 1e-12);
  }
}

TEST(State, IsAsBeforeIfLoadingFailsAtTheLastEntry) {
  const Problem p, q;
  const char* text = "lookahead(clip_norm(adam(lr=0.1), 1))";
  Optimizer o = make(text, p.parameters()), other = make(text, q.parameters());
  for (int t = 0; t < 7; ++t) p.step(o);
  other.set("lr", 0.5);
  for (int t = 0; t < 3; ++t) q.step(other);
  State state = other.state_dict();
  state["z"] = zeros({});  // no part of the optimizer has this key
  const State before = o.state_dict();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict(state); }), "unexpected: z"));
  const State now = o.state_dict();
  ASSERT_EQ(now.size(), before.size());
  for (const auto& [key, t] : before) EXPECT_EQ(now.at(key).to_vector(), t.to_vector()) << key;
}

TEST(State, IsCompleteAtAnyStepAlsoAfterSettingsChanged) {
  for (const auto& [name, description] : testing::all_optimizers())
    for (const int first : {0, 1, 2, 3, 4, 6}) {
      const Problem p(kFloat64, {1, 4}), q(kFloat64, {1, 4});
      Optimizer o = make(description, p.parameters());
      o.set_non_finite(NonFinite::skip);
      const auto skip_one = [](const Problem& problem, Optimizer& optimizer) {
        optimizer.step([&] {
          const Tensor result = problem.returned(optimizer);
          if (optimizer.takes_residuals()) return result * NAN;
          problem.b.set_grad(full({1, 4}, NAN, kFloat64));
          return result;
        });
      };
      for (int t = 0; t < first; ++t) p.step(o);
      skip_one(p, o);
      for (const Field& f : o.fields())  // as a plateau does, or somebody who watches
        if (!f.is_switch && f.value * 0.9 != f.value && f.range.holds(f.value * 0.9))
          o.set(f.name, f.value * 0.9);
      if (first == 4) p.step(o);
      Optimizer resumed = make(description, q.parameters());
      const std::vector<Field> all = resumed.fields();  // one of them follows a schedule
      const auto number = std::ranges::find(all, false, &Field::is_switch);
      if (number != all.end()) resumed.set(number->name, constant(number->value));
      q.start_at(p);
      resumed.load_state_dict(o.state_dict());
      for (int t = 0; t < 7; ++t) {
        p.step(o);
        q.step(resumed);
        if (t != 2) continue;
        skip_one(p, o);
        skip_one(q, resumed);
      }
      EXPECT_EQ(p.values().to_vector(), q.values().to_vector()) << name << ", " << first;
      const State a = o.state_dict(), b = resumed.state_dict();
      EXPECT_EQ(a.size(), b.size()) << name;
      for (const auto& [key, t] : a)
        EXPECT_EQ(t.to_vector(), b.at(key).to_vector()) << name << ", " << key;
      EXPECT_EQ(o.to_string(), resumed.to_string());
      EXPECT_EQ(o.skipped_steps(), resumed.skipped_steps());
      EXPECT_GT(o.skipped_steps(), 0);
      if (HasFailure()) return;
    }
}

TEST(State, OfFloatsOnOneThreadGoesOnWithSevenThreads) {
  const Tensor start = sin(arange(0, 120000, 1, kFloat32)).reshape({300, 400});
  for (const char* text : {"adamw", "lamb", "prodigy", "ema(sgd(momentum=0.9), 0.9)",
                           "lookahead(adafactor, k=2)", "swa(noise(lion))", "agc(rmsprop)"}) {
    const auto run = [&](const Tensor& w, Optimizer& o, int threads) {
      const testing::WithThreads with(threads);
      for (int t = 0; t < 3; ++t) {
        w.set_grad(cos(w.detach() * 3));
        o.step();
      }
    };
    const Tensor w = start.clone().requires_grad_();
    Optimizer o = make(text, {{"w", w}});
    run(w, o, 1);
    const Tensor v = w.detach().clone().requires_grad_();
    Optimizer resumed = make(text, {{"w", v}});
    resumed.load_state_dict(o.state_dict());
    run(w, o, 1);
    run(v, resumed, 7);
    EXPECT_EQ(w.detach().to_vector(), v.detach().to_vector()) << text;
  }
}

TEST(State, OfWatchersGoesOnAtAnyEpoch) {
  const std::vector<double> metrics{3, 2, 2.5, 2.4, NAN, 1.9, 2, 2, 2, 1, 1, 1, 1, 1};
  for (std::size_t first = 0; first < metrics.size(); ++first) {
    const Problem p, q;
    Optimizer o = make("sgd(lr=0.1)", p.parameters()), other = make("sgd", q.parameters());
    other.set("lr",
              constant(0.1));  // the state has a number, because a plateau may have lowered it
    const PlateauOptions options{.factor = 0.5, .patience = 1, .cooldown = 1};
    ReduceOnPlateau plateau(o, options), resumed(other, options);
    EarlyStopping stopping({.patience = 3}), again({.patience = 3});
    nn::Linear model(1, 1);
    const auto epoch = [&](std::size_t i, ReduceOnPlateau& r, EarlyStopping& s) {
      const NoGradGuard guard;
      model.weight.fill_(static_cast<double>(i));
      return std::pair{r.step(metrics[i]), s.step(metrics[i], model)};
    };
    for (std::size_t i = 0; i < first; ++i) epoch(i, plateau, stopping);
    other.load_state_dict(o.state_dict());
    resumed.load_state_dict(plateau.state_dict());
    again.load_state_dict(stopping.state_dict());
    for (std::size_t i = first; i < metrics.size(); ++i)
      EXPECT_EQ(epoch(i, plateau, stopping), epoch(i, resumed, again)) << first << ", " << i;
    EXPECT_EQ(o.get("lr"), other.get("lr"));
    EXPECT_LT(o.get("lr"), 0.1);
    EXPECT_EQ(again.best_epoch(), 9);
    again.restore(model);
    EXPECT_EQ(model.weight.item(), 9);
  }
}

TEST(State, WithAPolicyThatIsNoneIsRefused) {
  const Problem p;
  Optimizer o = make("adam", p.parameters());
  State state = o.state_dict();
  state["optimizer/non_finite"] = full({}, std::int64_t{3}, kInt64);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.load_state_dict(state); }),
                       "got optimizer/non_finite = 3, expected 0, 1 or 2"));
  state.erase("optimizer/non_finite");  // as in earlier versions
  o.set_non_finite(NonFinite::skip);
  o.load_state_dict(state);
  EXPECT_EQ(o.state_dict().at("optimizer/non_finite").item(), 1);
}

TEST(State, WithAnUndefinedTensorIsRefused) {
  const Problem p;
  Optimizer o = make("adam", p.parameters());
  p.step(o);
  State state = o.state_dict();
  state["adam/m/a"] = Tensor();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict(state); }),
                       "adam/m/a: got an undefined tensor, expected float64(2, 3)"));
}

TEST(Groups, OfVeryManyParametersAreMadeInLinearTime) {
  // If the time grew as the square of the number of parameters, this test would take minutes.
  Parameters all;
  for (int i = 0; i < 200000; ++i) all.push_back({std::to_string(i), zeros({}).requires_grad_()});
  const Optimizer o(all, SGD{});
  EXPECT_EQ(o.parameters().size(), all.size());
}

TEST(Plateau, FollowsAnOptimizerThatIsMovedAndWrapped) {
  const Problem p;
  auto plain = std::make_unique<Optimizer>(p.parameters(), SGD{.lr = 0.1});
  ReduceOnPlateau plateau(*plain, {.factor = 0.5, .patience = 0});
  auto wrapped = std::make_unique<Optimizer>(clip_norm(std::move(*plain), 1));
  plain.reset();
  plateau.step(1);
  EXPECT_TRUE(plateau.step(1));
  EXPECT_EQ(wrapped->get("lr"), 0.05);
  wrapped.reset();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { plateau.step(1); }),
                       "[plateau] got an optimizer that was destroyed"));
}

}  // namespace
}  // namespace descent
