// Functions of one variable over all of float. tests/bench/sweep.cpp looks at every float; here
// every 4099th float has its turn, and the edges.
#include "tests/support/sweep.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

void expect_near(const testing::Swept& f, const testing::Sweep& s) {
  EXPECT_LE(s.ulps, f.ulps) << f.name << " at " << s.ulps_at;
  EXPECT_LE(s.slope, f.steep) << "the gradient of " << f.name << " at " << s.slope_at;
  EXPECT_LE(s.fall, f.ulps) << f.name << " falls at " << s.fall_at;
  EXPECT_EQ(s.lost, 0) << f.name << " gives NaN at " << s.lost_at;
}

TEST(Sweep, EveryFunctionIsNearTheTruthOverAllOfFloat) {
  for (const testing::Swept& f : testing::swept()) expect_near(f, testing::sweep(f, 4099));
}

TEST(Sweep, EveryFunctionIsNearTheTruthAroundItsJoints) {
  // Where a function goes over to another formula, to its limit, to infinity or to 0.
  for (const float joint : {1.17549435e-38f, 0.5f, 1.0f, 4.2f, 8.0f, 9.0109f, 13.0f, 14.0f, 16.64f,
                            17.33f, 87.0f, 87.3f, 87.34f, 88.7228394f, 103.28f, 103.97f, 104.0f})
    for (const float x : {joint, -joint}) {
      const std::int64_t at = testing::number_of(x);
      for (const testing::Swept& f : testing::swept())
        expect_near(f, testing::sweep(f, 1, at - 4000, at + 4000));
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
