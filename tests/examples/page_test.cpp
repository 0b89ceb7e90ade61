// The pictures of the pages, and numbers in text.
#include "page/svg.h"
#include "run/text.h"

#include <gtest/gtest.h>
#include <cmath>

namespace app {
namespace {

std::string picture(std::vector<double> values, bool log) {
  Chart chart{"title", "x", "y", false, log};
  chart.series.push_back({"series", {1, 2}, std::move(values)});
  return svg(chart);
}

TEST(Chart, EndsWhateverItsNumbers) {
  for (const bool log : {false, true})
    for (const double low : {0.0, 5e-324, 1e-300, 0.5, 5e15, 1e300, 1e308, -1e308, -5e15})
      for (const double high : {low, std::nextafter(low, INFINITY), low + 1, 1.7e308}) {
        const std::string s = picture({low, high}, log);
        EXPECT_LT(s.size(), 20000u) << low << " to " << high;
        EXPECT_EQ(s.find("nan"), s.npos) << low << " to " << high;
        EXPECT_EQ(s.find("inf"), s.npos) << low << " to " << high;
      }
}

TEST(Format, PutsTheNumberIntoItsText) {
  EXPECT_EQ(format(0.5, "%.2f s"), "0.50 s");
  EXPECT_EQ(format(0.0097474670, "loss %.3g"), "loss 0.00975");
}

}  // namespace
}  // namespace app
