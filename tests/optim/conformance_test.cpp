// What holds for every optimizer: the conformance suite (optim/testing/conformance.h), every
// wrapper around every rule, and no allocation in a steady state.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/allocations.h"
#include "tests/support/errors.h"

#include <descent/optim/testing/conformance.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using optim::conformance::OptimizerConformance;
using testing::has_text;
using testing::message_of;
using testing::Problem;

std::vector<conformance::Subject> subjects() {
  std::vector<conformance::Subject> all;
  for (const auto& [name, description] : testing::all_optimizers()) {
    all.push_back(conformance::subject(description));
    all.back().name = name;
    // A second group has the registry's defaults, and therefore the same rule only if the
    // description has no settings.
    if (const Entry& e = find_optimizer(Expression::parse(description).text);
        e.add_group && description == e.name)
      all.back().add_group = [&e](Optimizer& o, Parameters p) { e.add_group(o, std::move(p), {}); };
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, OptimizerConformance, ::testing::ValuesIn(subjects()),
                         conformance::name_of);

// ---- wrapper × rule ----

/// Puts every wrapper around every rule. Either the optimizer works and goes on after saving, or
/// the error names the right order.
TEST(Matrix, OfWrappersAndRules) {
  int worked = 0, refused = 0;
  for (const Entry& w : registry()) {
    if (!w.is_wrapper) continue;
    for (const Entry& r : registry()) {
      if (r.is_wrapper) continue;
      const std::string text = to_text(w.name, "(", r.name, testing::required(w), ")");
      const Shape matrix{2, 2};
      const Problem p(kFloat64, matrix), q(kFloat64, matrix);
      try {
        make(text, p.parameters());
      } catch (const ValueError& e) {
        EXPECT_TRUE(has_text(e.what(), "expected another order: ")) << text;
        ++refused;
        continue;
      }
      Optimizer o = make(text, p.parameters()), resumed = make(text, q.parameters());
      for (int t = 0; t < 7; ++t) p.step(o);
      q.start_at(p);
      resumed.load_state_dict(o.state_dict());
      for (int t = 0; t < 7; ++t) {
        p.step(o);
        q.step(resumed);
      }
      EXPECT_EQ(p.values().to_vector(), q.values().to_vector()) << text;
      for (const double x : p.values().to_vector()) ASSERT_TRUE(std::isfinite(x)) << text;
      // The text of an optimizer must describe the same optimizer.
      EXPECT_EQ(make(o.to_string(), q.parameters()).to_string(), o.to_string());
      ++worked;
    }
  }
  int searching = 0;
  for (const Entry& r : registry()) searching += !r.is_wrapper && testing::searches(r.name);
  EXPECT_EQ(refused, 11 * searching + 5 * 5)
      << "gradients around rules that search; averages around rules that average";
  EXPECT_GT(worked, 250);
}

TEST(Order, ThatCannotWorkIsRefusedWithTheReason) {
  const Problem p;
  const auto refusal = [&](const char* text) {
    return message_of<ValueError>([&] { make(text, p.parameters()); });
  };
  EXPECT_TRUE(has_text(refusal("sam(clip_norm(sam(sgd), 1))"), "would disturb each other"));
  EXPECT_TRUE(has_text(refusal("kfac(sam(sgd))"), "would disturb each other"));
  EXPECT_TRUE(has_text(refusal("clip_norm(kfac(sgd), 1)"), "Hint: put it inside"));
  EXPECT_TRUE(has_text(refusal("clip_norm(lbfgs, 1)"), "straight from the closure"));
  EXPECT_TRUE(has_text(refusal("clip_norm(gsam(sgd), 1)"), "combined further in with what else"));
  EXPECT_TRUE(has_text(refusal("clip_norm(ema(looksam(sgd)), 1)"), "Hint: put it inside"));
  EXPECT_TRUE(has_text(refusal("ema(schedule_free_adamw)"), "keeps an average itself"));
  EXPECT_TRUE(has_text(refusal("lookahead(ema(sgd))"), "put it outside"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { make("muon", p.parameters()); }),
                       "'b' of shape (4,), expected matrices only"));
}

TEST(SteadyState, AllocatesNothing) {
  for (const auto& [name, description] : testing::all_optimizers()) {
    if (testing::is_dense(description)) continue;
    const Tensor w = ones({300, 40}).requires_grad_(), b = ones({1, 40}).requires_grad_();
    const Tensor gw = full({300, 40}, 0.1), gb = full({1, 40}, 0.1);
    Optimizer o = make(description, {{"w", w}, {"b", b}});
    // Rules of whole tensors, searches and curvature make lists in every step.
    if (!o.elementwise() || o.needs_closure() || name == "other_wrappers") continue;
    const auto step = [&] {
      o.step([&] {
        w.set_grad(gw);
        b.set_grad(gb);
        return 0.0;
      });
    };
    for (int i = 0; i < 6; ++i) step();
    const testing::CountAllocations count;
    for (int i = 0; i < 20; ++i) step();
    EXPECT_EQ(count.so_far(), 0) << name;
  }
}

}  // namespace
}  // namespace descent
