// Charts as SVG: lines with bands, points, contour lines, heat maps; axes with ticks, a legend,
// colours the colour-blind can tell apart, and text that follows the page's colours in light and
// dark.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace app {

struct Series {
  std::string name;                   // "" keeps it out of the legend
  std::vector<double> x, y;           // a value that is not finite leaves a gap
  std::vector<double> low{}, high{};  // a band around y; empty for none
  bool points = false;                // dots in place of a line
  bool end = false;                   // a dot where the line ends
  int colour = -1;                    // −1: its place among the series
};

struct Interval {
  double low, high;
};

/// Contour lines of f under the series, at values spread evenly over the ranks of f.
struct Landscape {
  std::string id;  // of the drawing in its page, so that others can use it again
  Interval x, y;
  std::function<double(double, double)> f;
  bool drawn_before = false;  // refer to the drawing in the page with this id
  std::vector<std::pair<double, double>> crosses{};  // points of note
};

struct Chart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Series>
      series{};  // keep the index of a name the same over charts: it sets the colour
  std::optional<Interval> x_range{}, y_range{};  // default: what the series need
  std::optional<Landscape> landscape{};          // its ranges are then the chart's
};

/// One coloured cell a value: dark is low. Values that are not finite are left grey.
struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> columns, rows;
  std::vector<double> values;  // row after row, the first row at the top
  const char* pattern = "%.3g";
  std::vector<std::size_t> marked{};  // cells with a frame
};

/// Ranges on one axis, a row a name: a line from low to high with a dot in the middle.
struct Ranges {
  struct Mark {
    double low, middle, high;  // NaN: nothing is drawn
  };
  std::string title, x_label;
  std::vector<std::string> rows;
  std::vector<std::pair<std::string, std::vector<Mark>>> series;  // each has a mark a row
};

std::string svg(const Chart& chart);
std::string svg(const Ranges& ranges);
std::string svg(const HeatMap& map);
/// The colour and dash pattern of the i-th series, for legends elsewhere.
std::string stroke(std::size_t i);

}  // namespace app
