// Saved states: files of earlier versions are loaded, and if loading fails, nothing changes.
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"
#include "tests/support/reference.h"

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
