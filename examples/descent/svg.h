// Line charts as SVG: axes with ticks, a legend, colours the colour-blind can tell apart, and text
// that follows the page's colours in light and dark.
#pragma once

#include <string>
#include <vector>

namespace app {

struct Series {
  std::string name;
  std::vector<double> x, y;  // a value that is not finite leaves a gap
};

struct Chart {
  std::string title, x_label, y_label;
  bool log_y = false;
  std::vector<Series> series;  // keep the index of a name the same over charts: it sets the colour
};

std::string svg(const Chart& chart);
/// The colour and dash pattern of the i-th series, for legends elsewhere.
std::string stroke(std::size_t i);

}  // namespace app
