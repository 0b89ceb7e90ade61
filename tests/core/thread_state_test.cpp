// The modes of a thread: each guard puts back the earlier value.
#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/thread_state.h>

#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>

namespace descent {
namespace {

TEST(ThreadState, InnerGuardsPutBackWhatTheOuterOnesSet) {
  const CumulativeStatisticsGuard cumulative;
  const FrozenStatisticsGuard frozen;
  const AnomalyGuard anomaly;
  const NoGradGuard no_grad;
  {
    const CumulativeStatisticsGuard cumulative_again;
    const FrozenStatisticsGuard frozen_again;
    const AnomalyGuard quiet(false);
    const EnableGradGuard grad;
    EXPECT_TRUE(grad_enabled());
    EXPECT_FALSE(anomaly_enabled());
  }
  EXPECT_TRUE(statistics_cumulative());
  EXPECT_TRUE(statistics_frozen());
  EXPECT_TRUE(anomaly_enabled());
  EXPECT_FALSE(grad_enabled());
}

TEST(ThreadState, AnExceptionEndsAGuardToo) {
  try {
    const NoGradGuard guard;
    const CumulativeStatisticsGuard cumulative;
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_FALSE(statistics_cumulative());
}

TEST(ThreadState, AnotherThreadHasModesOfItsOwn) {
  const NoGradGuard guard;
  bool there = false;
  std::thread([&] { there = grad_enabled(); }).join();
  EXPECT_TRUE(there);
}

TEST(ThreadState, ACreateGraphGuardServesBackwardOfSeveralOutputsToo) {
  const Tensor x = tensor({2.0, 3.0});
  x.requires_grad_();
  {
    const detail::CreateGraphGuard graph;
    backward({sum(x * x), sum(x * x * x)});
  }
  const Tensor g = x.grad();  // 2x + 3x²
  ASSERT_TRUE(g.requires_grad());
  EXPECT_EQ(grad({sum(g)}, {x})[0].to_vector(), (std::vector<double>{14, 20}));
}

}  // namespace
}  // namespace descent
