// Charts as SVG: lines with bands, points, contour lines, ranges and heat maps. Charts have axes
// with ticks, and a legend. Colour-blind readers can tell the colours apart. Text takes the colour
// of the page, light or dark.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace app {

/// A line or a set of dots in a chart.
struct Series {
  std::string name;                   // a series named "" is not in the legend
  std::vector<double> x{}, y{};       // a value that is not finite leaves a gap in the line
  std::vector<double> low{}, high{};  // a band around y; empty for no band
  bool points = false;                // draw dots, not a line
  bool end = false;                   // draw a dot where the line ends
  int colour = -1;                    // number of the colour; −1 takes the index of the series
};

struct Interval {
  double low, high;
};

/// Contour lines of f, drawn under the series. The levels are quantiles of f over the area, so that
/// steep and flat parts both show lines.
struct Landscape {
  std::string id;  // names the drawing in the page, so that other charts can refer to the drawing
  Interval x, y;
  std::function<double(double, double)> f;
  bool drawn_before = false;  // true: refer to the drawing with this id, and do not draw again
  std::vector<std::pair<double, double>> crosses{};  // points that are marked with a cross
};

struct Chart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  // The index of a series sets its colour: give a name the same index in all charts of a page.
  std::vector<Series> series{};
  std::optional<Interval> x_range{}, y_range{};  // default: the range of the series
  std::optional<Landscape> landscape{};          // if there is one, its ranges are the chart's
};

/// A grid of coloured cells, one for each value. Low values are dark; a value that is not finite is
/// grey.
struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> columns{}, rows{};
  std::vector<double> values{};  // row after row, the first row at the top
  const char* pattern = "%.3g";
  std::vector<std::size_t> marked{};  // indices of values whose cells get a frame
};

/// Ranges on one axis. Each row has a name and, for each series, a line from low to high with a
/// dot.
struct Ranges {
  struct Mark {
    double low, middle, high;  // a mark with low or high NaN is not drawn
  };
  std::string title, x_label;
  std::vector<std::string> rows;
  std::vector<std::pair<std::string, std::vector<Mark>>> series;  // each has one mark for each row
};

std::string svg(const Chart& chart);
std::string svg(const Ranges& ranges);
std::string svg(const HeatMap& map);
/// The colour and dash pattern of series i, as SVG attributes.
std::string stroke(std::size_t i);

}  // namespace app
