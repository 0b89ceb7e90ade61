// What throws in the middle of a step: a failed allocation, and a user's own code. The exception
// reaches the caller, nothing is left behind, and the next step is right.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"

#include <descent/descent.h>

#include <gtest/gtest.h>
#include <thread>

namespace descent {
namespace {

struct Scale : Function<Scale> {
  static constexpr const char* name = "scale";
  static inline int calls_until_failure = -1;  // of forward and backward together
  static void count() {
    if (calls_until_failure >= 0 && calls_until_failure-- == 0) throw std::runtime_error("mine");
  }
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    count();
    ctx.save(x);
    return x * x * 3;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
    count();
    return {g * ctx.saved(0) * 6};
  }
};

/// Two leaves, and steps that use most of the engine. Each step returns all that it computed.
struct Steps {
  Tensor a = rand({4, 3}, generator, kFloat64).requires_grad_();
  Tensor b = rand({3}, generator, kFloat64).requires_grad_();
  static inline Generator generator{5};
  using Numbers = std::vector<std::vector<double>>;

  Tensor loss() const {
    const Tensor x = tanh(linear(a.slice(0, 0, 4, 2), a, b.select(0, 1).expand({4})));
    const Tensor y = Scale::apply(softmax(x, 1)) + cat({a.t(), a.t()}).slice(0, 0, 1);
    const Tensor z = y.clone();
    z.mul_(2).add_(y);
    return sum(z * index_select(y, 0, tensor({0, 1}))) + norm(a) + mean(b * b) * max(y);
  }
  Numbers gradients() const {
    Numbers n;
    for (const Tensor& x : {a, b})
      if (x.grad().defined()) n.push_back(x.grad().to_vector());
    clear();
    return n;
  }
  void clear() const {
    a.zero_grad();
    b.zero_grad();
  }
  Numbers backward() const {
    loss().backward();
    return gradients();
  }
  Numbers accumulate() const {
    loss().backward();
    (loss() * 2).backward();
    return gradients();
  }
  Numbers grad_of_middle() const {
    const Tensor middle = a * b;
    const auto g = grad({sum(exp(middle)) + sum(middle * a)}, {middle, b});
    return {g[0].to_vector(), g[1].to_vector()};
  }
  Numbers second_order() const {
    const auto g = grad({loss()}, {a, b}, {}, {.create_graph = true});
    (sum(square(g[0])) + sum(g[1])).backward();
    return gradients();
  }
  Numbers create_graph() const {
    loss().backward({}, {.create_graph = true});
    const Tensor g = a.grad();
    clear();
    return {grad({sum(g * g)}, {b})[0].to_vector()};
  }
  Numbers hooks() const {
    const Tensor y = a * 2;
    y.register_hook([](const Tensor& g) { return g * 0.5; });
    y.retain_grad();
    sum(square(y)).backward();
    Numbers n = gradients();
    n.push_back(y.grad().to_vector());
    return n;
  }
  Numbers kept_graph() const {
    const Tensor l = loss();
    l.backward({}, {.retain_graph = true});
    const Numbers first = gradients();
    l.backward();
    EXPECT_EQ(gradients(), first);
    return first;
  }
  Numbers compiled() const {
    auto step = compile([&](const Tensor& x) {
      clear();
      const Tensor l = loss() * x.sum();
      l.backward();
      return l;
    });
    Numbers n;
    for (const double x : {1.0, 2.0}) {
      n.push_back(step(full({2}, x, kFloat64)).to_vector());
      n.push_back(a.grad().to_vector());
    }
    clear();
    return n;
  }
};

using Step = Steps::Numbers (Steps::*)() const;
const std::map<std::string, Step> kSteps{
    {"backward", &Steps::backward},         {"accumulate", &Steps::accumulate},
    {"grad", &Steps::grad_of_middle},       {"second_order", &Steps::second_order},
    {"create_graph", &Steps::create_graph}, {"hooks", &Steps::hooks},
    {"kept_graph", &Steps::kept_graph},     {"compiled", &Steps::compiled}};

TEST(Failures, OfAnyOneAllocationLeaveTheNextStepRight) {
  const Steps steps;
  for (const auto& [name, step] : kSteps) {
    const Steps::Numbers expected = (steps.*step)();
    const auto nodes = live_nodes();
    const auto bytes = memory_stats().live_bytes;
    std::int64_t n = 1, thrown = 0;
    for (bool failed = true; failed; ++n) {
      {
        const testing::FailAllocation fail(n);
        try {
          (steps.*step)();
        } catch (const std::bad_alloc&) {
          ++thrown;
        }
        failed = fail.failed();
      }
      steps.clear();
      ASSERT_EQ(live_nodes(), nodes) << name << ", request " << n;
      ASSERT_EQ(memory_stats().live_bytes, bytes) << name << ", request " << n;
      ASSERT_EQ((steps.*step)(), expected) << name << ", request " << n;
    }
    EXPECT_GE(thrown, n - 2) << name;  // nobody swallowed one
    EXPECT_GT(n, 30) << name;
  }
}

TEST(Failures, OfAnAllocationInBackwardLeaveAKeptGraphRight) {
  const Steps steps;
  const Tensor kept = steps.loss();
  kept.backward({}, {.retain_graph = true});
  const Steps::Numbers expected = steps.gradients();
  for (std::int64_t n = 1; n > 0; ++n) {
    const Tensor freed = steps.loss();
    for (const bool retain : {true, false}) {
      const Tensor& l = retain ? kept : freed;
      bool failed = true;
      {
        const testing::FailAllocation fail(n);
        try {
          l.backward({}, {.retain_graph = retain});
        } catch (const std::bad_alloc&) {
        }
        failed = fail.failed();
      }
      if (!failed) return steps.clear();
      steps.clear();
      try {
        l.backward({}, {.retain_graph = retain});
        ASSERT_EQ(steps.gradients(), expected) << "request " << n;
      } catch (const GraphError&) {  // a part of the graph was freed before
        ASSERT_FALSE(retain) << "request " << n;
        steps.clear();
      }
    }
  }
}

TEST(Failures, OfAnAllocationOnANewThreadReachTheThread) {
  const auto nodes = live_nodes();
  std::atomic<bool> failed = true;
  for (std::int64_t n = 1; failed; ++n)
    std::thread([&] {
      const testing::FailAllocation fail(n);
      try {
        const Tensor x = ones({2}).requires_grad_();
        sum(x * x).backward();
      } catch (const std::bad_alloc&) {
      }
      failed = fail.failed();
    }).join();
  EXPECT_EQ(live_nodes(), nodes);
}

TEST(Failures, OfAUsersFunctionReachTheCaller) {
  const Steps steps;
  for (const auto& [name, step] : kSteps) {
    const Steps::Numbers expected = (steps.*step)();
    const auto nodes = live_nodes();
    for (int n = 0; n < 20; ++n) {
      Scale::calls_until_failure = n;
      try {
        (steps.*step)();
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "mine");
      }
      const bool failed = Scale::calls_until_failure == -1;
      Scale::calls_until_failure = -1;
      steps.clear();
      EXPECT_EQ(live_nodes(), nodes) << name << ", call " << n;
      EXPECT_EQ((steps.*step)(), expected) << name << ", call " << n;
      if (!failed) break;
    }
  }
}

TEST(Failures, OfAHookReachTheCaller) {
  const Steps steps;
  const Steps::Numbers expected = steps.backward();
  const auto nodes = live_nodes();
  bool fails = false;
  for (const Tensor& leaf : {steps.a, steps.b})
    leaf.register_hook([&](const Tensor&) -> Tensor {
      if (fails) throw std::runtime_error("mine");
      return {};
    });
  for (const auto& [name, step] : kSteps) {
    const Steps::Numbers right = (steps.*step)();
    fails = true;
    EXPECT_EQ(testing::message_of<std::runtime_error>([&, &step = step] { (steps.*step)(); }),
              "mine")
        << name;
    fails = false;
    steps.clear();
    EXPECT_EQ(live_nodes(), nodes) << name;
    EXPECT_EQ((steps.*step)(), right) << name;
  }
  EXPECT_EQ(steps.backward(), expected);
}

TEST(Failures, InACompiledStepLeaveItUsable) {
  const Tensor w = ones({3}, kFloat64).requires_grad_();
  bool fails = true;
  auto step = compile([&](const Tensor& x) {
    w.zero_grad();
    const Tensor y = sum(w * x);
    if (fails) throw std::runtime_error("mine");
    y.backward();
    return y;
  });
  const auto nodes = live_nodes();
  const Tensor x = tensor({1.0, 2.0, 3.0}, kFloat64);
  EXPECT_THROW(step(x), std::runtime_error);
  EXPECT_EQ(live_nodes(), nodes);
  EXPECT_EQ(step.recordings(), 0u);
  fails = false;
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(step(x * n).item(), 6 * n);
    EXPECT_EQ(w.grad().to_vector(), (x * n).to_vector());
  }
  EXPECT_EQ(step.recordings(), 1u);
}

}  // namespace
}  // namespace descent
