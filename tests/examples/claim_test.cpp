// A claim must be able to fail.
#include "claims/claim.h"
#include <gtest/gtest.h>
#include "commands/commands.h"

#include <cmath>
#include <filesystem>

namespace {

using app::Evidence;

bool equal(double got, const char* expected) {
  Evidence e;
  e.equals("x", got, expected);
  return e.holds();
}

TEST(Evidence, EqualsMeansTheDigitsGiven) {
  EXPECT_TRUE(equal(.0526316, ".0526"));
  EXPECT_TRUE(equal(.05255, ".0526"));
  EXPECT_FALSE(equal(.05266, ".0526"));
  EXPECT_FALSE(equal(.05254, ".0526"));
  EXPECT_TRUE(equal(2.6649e-5, "2.66e-5"));
  EXPECT_FALSE(equal(2.67e-5, "2.66e-5"));
  EXPECT_TRUE(equal(13780.6, "1.38e4"));
  EXPECT_FALSE(equal(13860, "1.38e4"));
  EXPECT_TRUE(equal(69, "69"));
  EXPECT_FALSE(equal(69.4, "69"));
  EXPECT_TRUE(equal(-1.9854463, "-1.985446"));
  EXPECT_FALSE(equal(1.985446, "-1.985446"));
  EXPECT_FALSE(equal(NAN, ".5"));
}

TEST(Evidence, WithinIsAShare) {
  Evidence e;
  e.within("x", 1.029, 1, .03);
  EXPECT_TRUE(e.holds());
  e.within("y", -1.031, -1, .03);
  EXPECT_FALSE(e.holds());
}

TEST(Evidence, NothingMeasuredDoesNotHold) { EXPECT_FALSE(Evidence().holds()); }

TEST(Claims, OneThatFailsSetsTheExitCodeAndIsShown) {
  const app::Claim right{"right", "Two is two.", "Counted.",
                         [](Evidence& e) { e.equals("two", 2, "2"); }};
  const app::Claim wrong{"wrong", "Two is three.", "Counted.",
                         [](Evidence& e) { e.equals("two", 2, "3"); }};
  const std::string folder = std::filesystem::temp_directory_path() / "descent_claims_test";
  testing::internal::CaptureStdout();
  EXPECT_EQ(app::show_claims({&right}, folder, ""), app::kOk);
  EXPECT_EQ(app::show_claims({&right, &wrong}, folder, ""), app::kTrainingFailed);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("does not hold  wrong          two: 2 (expected 3)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("1 of 2 claims hold."), std::string::npos) << text;
  std::filesystem::remove_all(folder);
}

}  // namespace
