// What watches a training run: the tracer and early stopping.
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"

#include <gtest/gtest.h>
#include <fstream>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

TEST(Tracer, TellsWhatAStepDid) {
  const Tensor w = tensor({3.0, 4.0}, kFloat64).requires_grad_();
  Optimizer o = clip_norm({{{"w", w}}, SGD{.lr = 0.5}}, 1);
  std::vector<TraceRow> rows;
  o.set_tracer([&](const TraceRow& r) { rows.push_back(r); });
  const auto step = [&](double a, double b) {
    o.step([&] {
      w.set_grad(tensor({a, b}, kFloat64));
      return 0.0;
    });
  };
  step(0, 10);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].parameter, "w");
  EXPECT_EQ(rows[0].gradient_norm, 10);
  EXPECT_NEAR(rows[0].used_norm, 1, 1e-15);
  EXPECT_EQ(rows[0].weight_norm, 5);
  EXPECT_NEAR(rows[0].update_norm, 0.5, 1e-15);
  EXPECT_NEAR(rows[0].ratio, 0.1, 1e-15);
  EXPECT_NEAR(rows[0].effective_rate, 0.5, 1e-15);
  EXPECT_TRUE(rows[0].clipped);
  EXPECT_EQ(rows[0].non_finite, -1);
  EXPECT_THROW(step(0, NAN), NonFiniteError);
  ASSERT_EQ(rows.size(), 2u);
  // A tracer may remove itself.
  EXPECT_EQ(rows[1].non_finite, 1);
  EXPECT_EQ(rows[1].update_norm, 0);
  o.set_tracer([&](const TraceRow& r) {
    o.set_tracer({});
    rows.push_back(r);
  });
  step(0, 1);
  step(0, 1);
  EXPECT_EQ(rows.size(), 3u);
}

TEST(Tracer, TakesTheGradientThatALineSearchBeganWith) {
  const Problem p;
  Optimizer o(p.parameters(), LBFGS{});
  std::vector<TraceRow> rows;
  o.set_tracer([&](const TraceRow& r) { rows.push_back(r); });
  const auto loss = [&] {
    const Tensor l = p.loss();
    l.backward();
    return l;
  };
  loss();
  const double first = norm(p.a.grad()).item();
  o.step(loss);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NEAR(rows[0].gradient_norm, first, 1e-12 * first);
  EXPECT_EQ(rows[0].used_norm, rows[0].gradient_norm);
  EXPECT_FALSE(rows[0].clipped);
  EXPECT_NEAR(rows[0].effective_rate, rows[0].update_norm / first, 1e-12);
}

TEST(Tracer, WritesACsv) {
  const std::string path = ::testing::TempDir() + "descent_trace.csv";
  const Problem p;
  Optimizer o(p.parameters(), AdamW{});
  o.set_tracer(csv_tracer(path));
  for (int t = 0; t < 3; ++t) p.step(o);
  std::ifstream in(path);
  std::string line;
  int lines = 0;
  while (std::getline(in, line)) {
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 9) << line;
    ++lines;
  }
  EXPECT_EQ(lines, 7);
  EXPECT_TRUE(has_text(message_of<FileError>([] { csv_tracer("/no/such/folder/x.csv"); }),
                       "/no/such/folder/x.csv"));
}

TEST(EarlyStopping, StopsAndPutsTheBestBack) {
  nn::Linear model(2, 1);
  EarlyStopping stopping({.patience = 1});
  EXPECT_TRUE(has_text(message_of<StateError>([&] { stopping.restore(model); }), "no epoch"));
  const NoGradGuard guard;
  const Tensor w = model.parameters()[0].value;
  const auto epoch = [&](double metric, double weight) {
    w.fill_(weight);
    return stopping.step(metric, model);
  };
  EXPECT_FALSE(epoch(3, 1));
  EXPECT_FALSE(epoch(1, 2));
  EXPECT_FALSE(epoch(NAN, 3));
  EarlyStopping resumed({.patience = 1});
  resumed.load_state_dict(stopping.state_dict());
  EXPECT_TRUE(epoch(1, 4));
  stopping.restore(model);
  EXPECT_EQ(w.to_vector(), std::vector<double>({2, 2}));
  EXPECT_EQ(stopping.best_epoch(), 1);
  EXPECT_TRUE(resumed.step(2, model));
  w.fill_(9);
  resumed.restore(model);
  EXPECT_EQ(w.to_vector(), std::vector<double>({2, 2}));
}

}  // namespace
}  // namespace descent
