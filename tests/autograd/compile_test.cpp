// compile(): what it records, what it refuses, and when it records anew.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/descent.h>

#include <gtest/gtest.h>
#include <thread>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;

Tensor rows(std::int64_t n, double from) {
  return (arange(Scalar(n * 3)).to(kFloat32) * 0.1 + from).reshape({n, 3});
}

TEST(Compile, ReplaysWithNewInputs) {
  auto f = compile([](const Tensor& x, const Tensor& y) { return sum(exp(x) * y); });
  for (const double from : {0.0, 1.0, -2.0}) {
    const Tensor x = rows(2, from), y = rows(2, 1 - from);
    EXPECT_EQ(f(x, y).item(), sum(exp(x) * y).item()) << from;
  }
  EXPECT_EQ(f.recordings(), 1u);
  EXPECT_GT(f.kernels(), 2u);
}

TEST(Compile, RecordsOnceForEachSetOfShapesAndForgetsTheOldest) {
  int runs = 0;
  auto f = compile(
      [&](const Tensor& x) {
        ++runs;
        return sum(x * x);
      },
      {.cache = 2});
  for (int round = 0; round < 3; ++round)
    for (const std::int64_t n : {1, 2})
      EXPECT_EQ(f(rows(n, 1)).item(), sum(square(rows(n, 1))).item());
  EXPECT_EQ(runs, 2);
  f(rows(5, 0));  // drops the recording for 1 row
  EXPECT_EQ(f.recordings(), 2u);
  f(rows(2, 0));
  EXPECT_EQ(runs, 3);
  f(rows(1, 0));
  EXPECT_EQ(runs, 4);
  f(rows(1, 0).to(kFloat64));  // another type is another recording
  EXPECT_EQ(runs, 5);
}

TEST(Compile, CountsAWriteAtEachReplay) {
  const Tensor w = zeros({2});
  auto f = compile([&](const Tensor& x) {
    kernel::overwrite(x, w);
    detail::count_write(w);
  });
  for (int i = 1; i <= 3; ++i) {
    f(full({2}, i));
    EXPECT_EQ(w[0].item(), i);
    EXPECT_EQ(w.version(), static_cast<std::uint32_t>(2 * i));
  }
  EXPECT_EQ(f.recordings(), 1u);
}

TEST(Compile, GivesNothingOrSeveralTensorsOrTakesNone) {
  Tensor seen = zeros({2});
  auto nothing = compile([&](const Tensor& x) {
    const NoGradGuard guard;
    seen.add_(x);
  });
  for (int i = 0; i < 3; ++i) nothing(full({2}, 2));
  EXPECT_EQ(seen.to_vector(), (std::vector<double>{6, 6}));
  auto two = compile([](const Tensor& x) { return std::vector<Tensor>{x + 1, x * 2}; });
  two(ones({2}));
  const std::vector<Tensor> both = two(full({2}, 3));
  EXPECT_EQ(both[0].to_vector(), (std::vector<double>{4, 4}));
  EXPECT_EQ(both[1].to_vector(), (std::vector<double>{6, 6}));
  auto none = compile([&] { return seen * 2; });
  none();
  EXPECT_EQ(none().to_vector(), (std::vector<double>{12, 12}));
}

TEST(Compile, ReturnsCopiesThatLaterCallsLeaveAlone) {
  auto f = compile([](const Tensor& x) { return x + 1; });
  const Tensor first = f(ones({3})), second = f(zeros({3})), third = f(full({3}, 5));
  EXPECT_EQ(first.to_vector(), (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(second.to_vector(), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(third.to_vector(), (std::vector<double>{6, 6, 6}));
  EXPECT_FALSE(second.requires_grad());
}

TEST(Compile, RefusesToReadAValue) {
  const Tensor x = ones({1});
  const auto refuses = [&](const char* op, auto body) {
    auto f = compile(body);
    const std::string text = message_of<GraphError>([&] { f(x); });
    EXPECT_TRUE(has_text(text, std::string("[") + op + "]"));
    EXPECT_TRUE(has_text(text, "inside a step that is being compiled"));
    EXPECT_TRUE(has_text(text, "Hint: return the tensor from the step"));
    EXPECT_EQ(f.recordings(), 0u);
  };
  refuses("item", [](const Tensor& t) { return t * t.item(); });
  refuses("item", [](const Tensor& t) { return t * (t.item<std::int64_t>() > 0 ? 1 : 2); });
  refuses("to_vector", [](const Tensor& t) { return t * t.to_vector()[0]; });
  refuses("data_ptr", [](const Tensor& t) { return t * t.data_ptr<float>()[0]; });
  refuses("to_string", [](const Tensor& t) { return t.to_string().empty() ? t : t * 2; });
  refuses("item", [](const Tensor& t) {
    return nn::accuracy(t.reshape({1, 1}), zeros({1}, kInt64)) > 0 ? t : t * 2;
  });
  refuses("one_hot", [](const Tensor& t) { return one_hot(t.to(kInt64)); });
  refuses("clip_grad_norm_", [](const Tensor& t) {
    optim::clip_grad_norm_({}, 1.0);
    return t;
  });
  EXPECT_EQ(x.item(), 1);  // x is usable afterwards
}

TEST(Compile, RefusesACacheWithoutRoom) {
  const auto f = [](const Tensor& x) { return x; };
  EXPECT_TRUE(
      has_text(message_of<ValueError>([] { compile(std::function<Tensor(const Tensor&)>()); }),
               "[compile] got an empty function, expected one to record"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { compile(f, {.cache = 0}); }),
                       "[compile] got cache = 0, expected room for at least one recording. Hint"));
}

TEST(Compile, RefusesAnInputThatRequiresAGradient) {
  auto f = compile([](const Tensor& x) { return x * 2; });
  const Tensor x = ones({2}).requires_grad_();
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { f(x); }), "input 0 that requires a gradient"));
}

TEST(Compile, RefusesToWriteToAConstant) {
  auto f = compile([](const Tensor& x) {
    const NoGradGuard guard;
    Tensor total = tensor({0.0, 0.0});
    total.add_(x);  // a second call would start from the total of the first call
    return total;
  });
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { f(ones({2})); }), "a constant of shape (2,)"));
  auto right = compile([](const Tensor& x) {
    const NoGradGuard guard;
    Tensor total = zeros({2});
    total.add_(x);
    return total;
  });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(right(ones({2})).to_vector(), (std::vector<double>{1, 1}));
}

TEST(Compile, RefusesValuesThatNoKernelMade) {
  auto f = compile([](const Tensor& x) {
    const Tensor made = empty({2});
    static_cast<float*>(made.raw())[0] = 1;  // a replay would not write this value
    return made + x;
  });
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { f(ones({2})); }), "[add]"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { f(ones({2})); }), "not made by operators"));
}

TEST(Compile, LeavesNothingBehindWhenTheFunctionThrows) {
  bool bad = true;
  auto f = compile([&](const Tensor& x) -> Tensor {
    if (bad) fail<ValueError>("test", "no");
    return x * 2;
  });
  EXPECT_THROW(f(ones({2})), ValueError);
  EXPECT_EQ(f.recordings(), 0u);
  EXPECT_EQ(ones({2}).to_vector()[0], 1);  // no longer recording
  bad = false;
  EXPECT_EQ(f(ones({2})).to_vector(), (std::vector<double>{2, 2}));
}

TEST(Compile, ChecksItsDataAtEveryReplay) {
  const Tensor table = rows(4, 0);
  auto f = compile([&](const Tensor& index) { return sum(table.index_select(0, index)); });
  f(tensor({0, 1}));
  EXPECT_FLOAT_EQ(f(tensor({2, 2})).item<float>(), 2 * sum(table[2]).item<float>());
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         f(tensor({0, 4}));
                       }),
                       "[index_select] got index 4 at position 1, expected one in [0, 4)"));
  EXPECT_FLOAT_EQ(f(tensor({0, 0})).item<float>(), 2 * sum(table[0]).item<float>());
}

TEST(Compile, AccumulatesGradientsAsEagerStepsDo) {
  const Tensor w = rows(2, 1).requires_grad_(), v = w.detach().clone().requires_grad_();
  const auto loss = [](const Tensor& p, const Tensor& x) { return sum(square(p * x)); };
  auto f = compile([&](const Tensor& x) { loss(w, x).backward(); });  // never calls zero_grad()
  for (int i = 0; i < 5; ++i) {
    if (i == 3) w.zero_grad(), v.zero_grad();
    f(rows(2, i));
    loss(v, rows(2, i)).backward();
    EXPECT_EQ(w.grad().to_vector(), v.grad().to_vector()) << i;
  }
}

TEST(Compile, WorksBesideEagerStepsAndOtherShapes) {
  const Tensor w = rows(1, 1).requires_grad_();
  const auto step = [&](const Tensor& x) {
    w.zero_grad();
    const Tensor l = sum(square(w * x));
    l.backward();
    return l;
  };
  auto f = compile(step);
  for (int i = 0; i < 6; ++i) {
    const Tensor x = rows(1 + i % 2, i);
    const double eager = step(x).item();
    const std::vector<double> g = w.grad().to_vector();
    EXPECT_EQ(f(x).item(), eager);
    EXPECT_EQ(w.grad().to_vector(), g);
  }
  EXPECT_EQ(f.recordings(), 2u);
}

TEST(Compile, SeesReplacedMemoryAndTheTrainingMode) {
  nn::Sequential net(nn::Linear(3, 4), nn::Dropout(0.5));
  int runs = 0;
  auto f = compile([&](const Tensor& x) {
    ++runs;
    return net(x.to(net.parameters()[0].value.dtype()));
  });
  net.eval();
  f(rows(2, 0));
  EXPECT_EQ(f(rows(2, 1)).to_vector(), net(rows(2, 1)).to_vector());
  EXPECT_EQ(runs, 1);
  net.train();
  manual_seed(5);
  const Tensor dropped = f(rows(2, 1));
  EXPECT_EQ(runs, 2);
  manual_seed(5);
  EXPECT_EQ(dropped.to_vector(), net(rows(2, 1)).to_vector());
  net.to(kFloat64);
  EXPECT_EQ(f(rows(2, 1)).dtype(), kFloat64);
  EXPECT_EQ(runs, 3);
}

TEST(Compile, DrawsAnewAtEachReplay) {
  auto f = compile([](const Tensor& x) { return x * rand({4}); });
  manual_seed(3);
  std::vector<std::vector<double>> compiled, eager;
  for (int i = 0; i < 3; ++i) compiled.push_back(f(ones({4})).to_vector());
  manual_seed(3);
  for (int i = 0; i < 3; ++i) eager.push_back(rand({4}).to_vector());
  EXPECT_EQ(compiled, eager);
}

TEST(Compile, DifferentiatesTwice) {
  const Tensor w = rows(2, 0.2).requires_grad_();
  const auto penalty = [&](const Tensor& x) {
    w.zero_grad();
    const Tensor y = sum(tanh(w * x));
    const Tensor g = grad({y}, {w}, {}, {.create_graph = true}).front();
    const Tensor l = sum(square(g)) + y;
    l.backward();
    return l;
  };
  auto f = compile(penalty);
  for (int i = 0; i < 3; ++i) {
    const double eager = penalty(rows(2, i)).item();
    const std::vector<double> g = w.grad().to_vector();
    EXPECT_EQ(f(rows(2, i)).item(), eager);
    EXPECT_EQ(w.grad().to_vector(), g);
  }
  EXPECT_EQ(f.recordings(), 1u);
}

TEST(Compile, OfACompiledStepIsPartOfTheOuterOne) {
  auto inner = compile([](const Tensor& x) { return x * 3; });
  auto outer = compile([&](const Tensor& x) { return inner(x) + 1; });
  outer(ones({2}));
  EXPECT_EQ(outer(full({2}, 2)).to_vector(), (std::vector<double>{7, 7}));
  EXPECT_EQ(inner.recordings(), 0u);
}

TEST(Compile, PlansMemoryThatIsUsedAgainAndGivesItBack) {
  const std::uint64_t before = memory_stats().live_bytes;
  {
    auto f = compile([](const Tensor& x) {
      const NoGradGuard guard;
      Tensor y = x;
      for (int i = 0; i < 50; ++i) y = y * 1.5 - 0.5;
      return y;
    });
    f(ones({1000}));
    EXPECT_LT(f.bytes(), 6 * 4000u);  // needs two or three vectors at a time for 50 steps
    f.reset();
    EXPECT_EQ(f.recordings(), 0u);
  }
  EXPECT_EQ(memory_stats().live_bytes, before);
}

TEST(Compile, AllocatesNothingButItsResult) {
  nn::Sequential net(nn::Linear(3, 8), nn::Tanh(), nn::Linear(8, 1));
  optim::Optimizer optimizer(net.parameters(), optim::Adam{});
  auto step = compile([&](const Tensor& x, const Tensor& y) {
    optimizer.zero_grad();
    const Tensor l = nn::mse_loss(net(x), y);
    l.backward();
    optimizer.step();
    return l;
  });
  const Tensor x = rows(4, 0), y = ones({4, 1});
  for (int i = 0; i < 3; ++i) step(x, y);
  const testing::CountAllocations allocations;
  const std::int64_t nodes = live_nodes();
  for (int i = 0; i < 10; ++i) step(x, y);
  EXPECT_EQ(allocations.so_far(), 0);
  EXPECT_EQ(live_nodes(), nodes);
}

TEST(Compile, FlushesDenormalsWhereEagerBackwardDoes) {
  const Tensor w = full({64}, 1e-30).requires_grad_();
  auto f = compile([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x * 1e-6).backward();  // forward: subnormal products
  });
  const Tensor x = full({64}, 1e-35);
  f(x);
  f(x);
  EXPECT_EQ(w.grad().to_vector()[0], 0);            // 1e-41, flushed in backward
  EXPECT_NE((full({1}, 1e-30) * 1e-10).item(), 0);  // the caller does not flush
}

TEST(Compile, RecordsAnewWhenAParameterWasFrozenOrUnfrozen) {
  const auto train = [](bool compiled) {
    const Tensor w = ones({2}).requires_grad_(), v = ones({2}).requires_grad_();
    optim::Optimizer optimizer(std::vector<Tensor>{w, v}, optim::SGD{.lr = 0.1});
    const auto step = [&](const Tensor& x) {
      optimizer.zero_grad();
      sum(w * v * x).backward();
      optimizer.step();
    };
    auto fast = compile(step);
    for (int i = 0; i < 6; ++i) {
      if (i == 2) w.requires_grad_(false);
      if (i == 4) w.requires_grad_();
      compiled ? fast(ones({2})) : step(ones({2}));
    }
    return cat({w.detach(), v.detach()}, 0).to_vector();
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(Compile, CountsWritesForThoseWhoSavedATensor) {
  const Tensor w = ones({1}).requires_grad_();
  auto f = compile([&](const Tensor& x) {
    const NoGradGuard guard;
    w.sub_(x);
  });
  f(ones({1}));
  const Tensor y = sum(w * w);
  f(ones({1}));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { y.backward(); }), "changed in place"));
}

TEST(Compile, DrawsFromTheGeneratorOfTheThreadThatRuns) {
  auto f = compile([](const Tensor& x) { return x * rand({2}); });
  std::thread([&] { f(ones({2})); }).join();
  manual_seed(7);
  const std::vector<double> drawn = f(ones({2})).to_vector();
  manual_seed(7);
  EXPECT_EQ(drawn, rand({2}).to_vector());
}

TEST(Compile, KeepsTheLayoutOfItsInputs) {
  Generator g(4);
  const Tensor x = randn({100, 300}, g).t();
  auto f = compile([](const Tensor& t) { return sum(t); });
  f(x);
  EXPECT_EQ(f(x).item(), sum(x).item());
  EXPECT_EQ(f(x.contiguous()).item(), sum(x.contiguous()).item());
  EXPECT_EQ(f.recordings(), 2u);
}

TEST(Compile, RunsAsAlwaysUnderAnAnomalyGuard) {
  auto f = compile([](const Tensor& x) { return log(x); });
  f(ones({1}));
  const AnomalyGuard guard;
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { f(full({1}, -1)); }), "[log]"));
}

TEST(Compile, NoticesNewMemoryOfWhatItOnlyReturns) {
  nn::Linear layer(2, 1);
  auto f = compile([&] { return layer.weight; });
  f();
  layer.to(kFloat64);
  EXPECT_EQ(f().dtype(), kFloat64);
}

}  // namespace
}  // namespace descent
