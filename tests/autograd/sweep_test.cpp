// Functions of one variable over all of float. tests/bench/sweep.cpp looks at every float; here
// every 4099th float has its turn, and the edges.
#include "tests/support/sweep.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

TEST(Sweep, EveryFunctionIsNearTheTruthOverAllOfFloat) {
  for (const testing::Swept& f : testing::swept()) {
    const testing::Sweep s = testing::sweep(f, 4099);
    EXPECT_LE(s.ulps, f.ulps) << f.name << " at " << s.ulps_at;
    EXPECT_LE(s.slope, f.steep) << "the gradient of " << f.name << " at " << s.slope_at;
    EXPECT_LE(s.fall, f.ulps) << f.name << " falls at " << s.fall_at;
    EXPECT_EQ(s.lost, 0) << f.name << " gives NaN at " << s.lost_at;
  }
}

TEST(Sweep, EveryFunctionHasItsLimitAtTheEdges) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const testing::Swept& f : testing::swept())
    for (const float x : {-kInf, -3.4e38f, -2e-38f, -0.0f, 0.0f, 2e-38f, 3.4e38f, kInf}) {
      const Tensor leaf = tensor(std::vector<float>{x}).requires_grad_(), y = f.f(leaf);
      y.sum().backward();
      const double exact = f.value(static_cast<double>(x)), slope = f.slope(static_cast<double>(x));
      if (!std::isnan(exact)) {
        EXPECT_LE(testing::ulps_between(static_cast<float>(y.item()), exact), f.ulps)
            << f.name << " at " << x;
      }
      if (!std::isnan(slope) && std::fabs(slope) < 3e38) {
        EXPECT_NEAR(leaf.grad().item(), slope, 1e-5 * std::fmax(1, std::fabs(slope)))
            << "the gradient of " << f.name << " at " << x;
      }
    }
}

}  // namespace
}  // namespace descent
