#include "page/svg.h"

#include "page/html.h"
#include "run/text.h"

#include <descent/core/error.h>
#include <algorithm>
#include <array>
#include <cmath>

namespace app {
namespace {

using descent::to_text;

constexpr double kWidth = 520, kHeight = 320, kLeft = 64, kRight = 16, kTop = 28, kBottom = 44;

std::string at(double v) { return format(v, "%.1f"); }

/// The text beside a tick, such as "0.05". On a logarithmic axis also "10⁻⁶".
std::string number(double v, bool log) {
  const double power = v > 0 ? std::round(std::log10(v)) : 0;
  if (!log || std::fabs(power) < 4 || std::fabs(v / std::pow(10, power) - 1) > 1e-6)
    return format(v, "%.4g");
  constexpr std::array digits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string exponent = power < 0 ? "⁻" : "";
  for (const char c : std::to_string(std::abs(static_cast<int>(power))))
    exponent += digits[static_cast<std::size_t>(c - '0')];
  return "10" + exponent;
}

/// An axis: the range that it covers, and the places of its ticks.
struct Axis {
  double low, high;
  bool log, whole = false;        // whole: ticks stand at integers only
  double place(double v) const {  // from 0 at low to 1 at high
    return log ? (std::log10(v) - std::log10(low)) / (std::log10(high) - std::log10(low))
               : (v - low) / (high - low);
  }
  std::vector<double> ticks() const {
    std::vector<double> t;
    if (log) {
      const double decades = std::log10(high) - std::log10(low),
                   every = std::max(1.0, std::ceil(decades / 8));
      for (int e = static_cast<int>(std::floor(std::log10(low))); e <= std::log10(high) + 1e-9; ++e)
        for (const double m : {1.0, 2.0, 5.0}) {
          const double v = m * std::pow(10, e);
          if ((m == 1 ? std::fmod(e, every) == 0 : decades < 2) && v >= low * 0.9999 &&
              v <= high * 1.0001)
            t.push_back(v);
        }
      if (t.size() >= 2) return t;
      t.clear();  // no step of 1, 2, 5 fits: divide the axis evenly
    }
    const double raw = (high - low) / 6, power = std::pow(10, std::floor(std::log10(raw)));
    double step = raw / power < 1.5   ? power
                  : raw / power < 3.5 ? 2 * power
                  : raw / power < 7.5 ? 5 * power
                                      : 10 * power;
    if (whole) step = std::max(1.0, step);
    const double first = std::ceil(low / step) * step;
    const int n = static_cast<int>((high + step * 1e-9 - first) / step);
    for (int i = 0; i <= n; ++i) {
      const double v = first + i * step;
      t.push_back(std::fabs(v) < step * 1e-9 ? 0 : v);
    }
    return t;
  }
};

/// The axis that a chart needs, along x or along y.
Axis axis_over(const Chart& c, bool use_y, bool log) {
  if (c.landscape) {
    const Interval& i = use_y ? c.landscape->y : c.landscape->x;
    return {i.low, i.high, false};
  }
  double low = INFINITY, high = -INFINITY;
  bool whole = !use_y && !log;
  const double most = log ? 1e150 : 1e300;  // so that neither the length nor the room overflows
  const auto take = [&](const std::vector<double>& values) {
    for (const double v : values)
      if (std::isfinite(v) && (!log || v > 0)) {
        const double drawn = std::clamp(v, log ? 1 / most : -most, most);
        low = std::min(low, drawn);
        high = std::max(high, drawn);
      }
  };
  for (const Series& s : c.series) {
    take(use_y ? s.y : s.x);
    if (use_y) take(s.low), take(s.high);
    for (const double v : s.x) whole = whole && v == std::floor(v);
  }
  if (const auto& range = use_y ? c.y_range : c.x_range) low = range->low, high = range->high;
  if (!(low <= high)) low = log ? 0.1 : 0, high = 1;
  if (log && high < low * (1 + 1e-9)) low /= 2, high *= 2;
  if (const double digits = 1e-9 * std::max(std::fabs(low), std::fabs(high));
      !log && (low == high || high - low < digits)) {  // ticks would be the same number
    const double half = low == high ? std::max(0.5, digits) : digits;
    low -= half, high += half;
  }
  if (!(use_y ? c.y_range : c.x_range)) {  // leave room, so that nothing lies on the frame
    const double share = use_y ? 0.04 : 0.015;
    const double room = share * (log ? std::log(high) - std::log(low) : high - low);
    if (log)
      low *= std::exp(-room), high *= std::exp(room);
    else
      low -= room, high += room;
  }
  return {low, high, log, whole};
}

/// The beginning of a picture: its frame and its title.
std::string open(const std::string& title, double height) {
  return to_text(
      "<svg viewBox=\"0 0 ", kWidth, " ", height, "\" role=\"img\" aria-label=\"", escaped(title),
      "\" xmlns=\"http://www.w3.org/2000/svg\">\n<g font-family=\"sans-serif\" "
      "font-size=\"12\" fill=\"currentColor\">\n<text x=\"",
      kLeft, "\" y=\"16\" font-size=\"14\" font-weight=\"bold\">", escaped(title), "</text>\n");
}

/// The names of both axes.
std::string labels(const std::string& x, const std::string& y) {
  return to_text("<text x=\"", (kLeft + kWidth - kRight) / 2, "\" y=\"", kHeight - 8,
                 "\" text-anchor=\"middle\">", escaped(x),
                 "</text>\n<text transform=\"translate(14 ", (kTop + kHeight - kBottom) / 2,
                 ") rotate(-90)\" text-anchor=\"middle\">", escaped(y), "</text>\n</g>\n");
}

constexpr std::array kColours{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"};

/// The colour of series i. A page may set the variables --c0 to --c5 to lighter colours for dark
/// screens.
std::string colour(std::size_t i) {
  const std::size_t k = i % kColours.size();
  return to_text("var(--c", k, ",", kColours[k], ")");
}

/// Contour lines by marching squares: a level crosses each cell of a grid along straight lines.
std::string contours(const Landscape& l) {
  constexpr int kGrid = 80, kLevels = 12;
  const double width = (kWidth - kLeft - kRight) / kGrid,
               height = (kHeight - kTop - kBottom) / kGrid;
  std::vector<double> f;
  for (int j = 0; j <= kGrid; ++j)
    for (int i = 0; i <= kGrid; ++i)
      f.push_back(l.f(l.x.low + (l.x.high - l.x.low) * i / kGrid,
                      l.y.low + (l.y.high - l.y.low) * j / kGrid));
  std::vector<double> sorted = f;
  std::sort(sorted.begin(), sorted.end());
  std::string path;
  for (int level = 0; level < kLevels; ++level) {
    const double z =
        sorted[sorted.size() * (2 * static_cast<std::size_t>(level) + 1) / (2 * kLevels)];
    for (int j = 0; j < kGrid; ++j)
      for (int i = 0; i < kGrid; ++i) {
        const auto value = [&](int dx, int dy) {
          const auto row = static_cast<std::size_t>(j) + static_cast<std::size_t>(dy);
          const auto column = static_cast<std::size_t>(i) + static_cast<std::size_t>(dx);
          return f[row * (kGrid + 1) + column];
        };
        // Where the level crosses the four sides of the cell, in the order around the cell.
        const std::array<std::array<int, 2>, 5> corner{{{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}}};
        std::vector<std::string> crossings;
        for (std::size_t k = 0; k < 4; ++k) {
          const auto [ax, ay] = corner[k];
          const auto [bx, by] = corner[k + 1];
          const double a = value(ax, ay), b = value(bx, by);
          if ((a < z) == (b < z)) continue;
          const double t = (z - a) / (b - a);
          crossings.push_back(to_text(at(kLeft + (i + ax + t * (bx - ax)) * width), " ",
                                      at(kHeight - kBottom - (j + ay + t * (by - ay)) * height)));
        }
        for (std::size_t k = 0; k + 1 < crossings.size(); k += 2)
          path += to_text("M", crossings[k], "L", crossings[k + 1]);
      }
  }
  return to_text("<path id=\"", l.id, "\" d=\"", path,
                 "\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.3\"/>\n");
}

/// A grid line up from `bottom`, with a text under it.
std::string x_tick(double x, double bottom, const char* opacity, const std::string& text) {
  return to_text("<line x1=\"", at(x), "\" x2=\"", at(x), "\" y1=\"", kTop, "\" y2=\"", bottom,
                 "\" stroke=\"currentColor\" stroke-opacity=\"", opacity, "\"/><text x=\"", at(x),
                 "\" y=\"", bottom + 16, "\" text-anchor=\"middle\">", text, "</text>\n");
}

/// A chart while it is drawn.
class Plot {
 public:
  explicit Plot(const Chart& c)
      : c_(c), x_(axis_over(c, false, c.log_x)), y_(axis_over(c, true, c.log_y)) {
    std::size_t longest = 0;
    for (const Series& s : c.series)
      if (!s.name.empty()) ++named_, longest = std::max(longest, descent::columns(s.name));
    across_ = longest > 26 ? 1 : longest > 15 ? 2 : 3;
  }

  std::string text() const {
    const double legend =
        named_ == 0
            ? 0
            : 18 * std::ceil(static_cast<double>(named_) / static_cast<double>(across_)) + 8;
    std::string s = to_text(open(c_.title, kHeight + legend), landscape(), grid(),
                            labels(c_.x_label, c_.y_label));
    // The inner picture cuts off lines that leave the frame.
    s += to_text("<svg x=\"", kLeft, "\" y=\"", kTop, "\" width=\"", kWidth - kLeft - kRight,
                 "\" height=\"", kHeight - kTop - kBottom, "\" viewBox=\"", kLeft, " ", kTop, " ",
                 kWidth - kLeft - kRight, " ", kHeight - kTop - kBottom, "\">\n", crosses());
    std::string legends;
    std::size_t place = 0;
    for (std::size_t i = 0; i < c_.series.size(); ++i) {
      const Series& line = c_.series[i];
      const std::size_t hue = line.colour < 0 ? i : static_cast<std::size_t>(line.colour);
      s += to_text(band(line, hue), marks(line, hue));
      if (!line.name.empty()) legends += legend_of(line, hue, place++);
    }
    return s + "</svg>\n" + legends + "</svg>\n";
  }

 private:
  double px(double v) const { return kLeft + x_.place(v) * (kWidth - kLeft - kRight); }
  double py(double v) const { return kHeight - kBottom - y_.place(v) * (kHeight - kTop - kBottom); }
  bool drawable(double a, double b) const {
    return std::isfinite(a) && std::isfinite(b) && (!c_.log_x || a > 0) && (!c_.log_y || b > 0);
  }
  /// A coordinate, moved to within 10,000 of the corner of the picture.
  static double near(double v) { return std::clamp(v, -1e4, 1e4); }
  std::string point(double a, double b) const {
    return to_text(at(near(px(a))), " ", at(near(py(b))));
  }

  std::string landscape() const {
    if (!c_.landscape) return "";
    return c_.landscape->drawn_before ? to_text("<use href=\"#", c_.landscape->id, "\"/>\n")
                                      : contours(*c_.landscape);
  }

  std::string grid() const {
    const char* faint = c_.landscape ? "0" : "0.12";
    std::string s;
    for (const double t : x_.ticks())
      s += x_tick(px(t), kHeight - kBottom, faint, number(t, c_.log_x));
    for (const double t : y_.ticks())
      s += to_text("<line x1=\"", kLeft, "\" x2=\"", kWidth - kRight, "\" y1=\"", at(py(t)),
                   "\" y2=\"", at(py(t)), "\" stroke=\"currentColor\" stroke-opacity=\"", faint,
                   "\"/><text x=\"", kLeft - 6, "\" y=\"", at(py(t) + 4), "\" text-anchor=\"end\">",
                   number(t, c_.log_y), "</text>\n");
    return s;
  }

  std::string crosses() const {
    std::string s;
    if (c_.landscape)
      for (const auto& [a, b] : c_.landscape->crosses)
        s += to_text("<path d=\"M", at(px(a) - 5), " ", at(py(b) - 5), "l10 10m0 -10l-10 10\" ",
                     "fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\"/>\n");
    return s;
  }

  std::string band(const Series& line, std::size_t hue) const {
    if (line.low.empty()) return "";
    std::string there, back;
    for (std::size_t k = 0; k < line.x.size(); ++k)
      if (drawable(line.x[k], line.low[k]) && drawable(line.x[k], line.high[k])) {
        there += to_text(there.empty() ? "M" : "L", point(line.x[k], line.low[k]));
        back = to_text("L", point(line.x[k], line.high[k]), back);
      }
    if (there.empty()) return "";
    return to_text("<path d=\"", there, back, "Z\" opacity=\"0.15\" style=\"fill:", colour(hue),
                   "\"/>\n");
  }

  /// The line or the dots of a series, and the dot at the end.
  std::string marks(const Series& line, std::size_t hue) const {
    std::string path;
    bool pen = false;  // true if the line goes on from the last value
    for (std::size_t k = 0; k < line.x.size(); ++k) {
      const bool drawn = drawable(line.x[k], line.y[k]);
      if (drawn && line.points)
        path += to_text("<circle cx=\"", at(near(px(line.x[k]))), "\" cy=\"",
                        at(near(py(line.y[k]))), "\" r=\"3\"/>");
      else if (drawn)
        path += to_text(pen ? "L" : "M", point(line.x[k], line.y[k]));
      pen = drawn;
    }
    std::string s =
        line.points
            ? to_text("<g opacity=\"0.75\" style=\"fill:", colour(hue), "\">", path, "</g>\n")
            : to_text("<path d=\"", path,
                      "\" fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\" ",
                      stroke(hue), "><title>", escaped(line.name), "</title></path>\n");
    if (line.end && pen)
      s += to_text("<circle cx=\"", at(near(px(line.x.back()))), "\" cy=\"",
                   at(near(py(line.y.back()))), "\" r=\"4\" style=\"fill:", colour(hue), "\"/>\n");
    return s;
  }

  /// The entry of a series in the legend, at this place from the left and from above.
  std::string legend_of(const Series& line, std::size_t hue, std::size_t place) const {
    const double x = kLeft + static_cast<double>(place % across_) *
                                 ((kWidth - kLeft) / static_cast<double>(across_)),
                 y = kHeight + 12 +
                     18 * std::floor(static_cast<double>(place) / static_cast<double>(across_));
    const std::string mark =
        line.points ? to_text("<circle cx=\"", x + 13, "\" cy=\"", y,
                              "\" r=\"4\" style=\"fill:", colour(hue), "\"/>")
                    : to_text("<line x1=\"", x, "\" x2=\"", x + 26, "\" y1=\"", y, "\" y2=\"", y,
                              "\" stroke-width=\"2.4\" ", stroke(hue), "/>");
    return to_text(mark, "<text x=\"", x + 32, "\" y=\"", y + 4,
                   "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">",
                   escaped(line.name), "</text>\n");
  }

  const Chart& c_;
  Axis x_, y_;
  std::size_t named_ = 0,
              across_ = 1;  // entries of the legend, and entries in one of its rows
};

}  // namespace

std::string stroke(std::size_t i) {
  // Okabe & Ito's palette without black and yellow. Series 6 and later repeat the colours, dashed.
  constexpr std::array dashes{"", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\""};
  return to_text("style=\"stroke:", colour(i), "\"", dashes[i / kColours.size() % dashes.size()]);
}

std::string svg(const Chart& c) { return Plot(c).text(); }

std::string svg(const Ranges& r) {
  constexpr double kRow = 24;
  std::size_t longest = 0;
  for (const std::string& row : r.rows) longest = std::max(longest, descent::columns(row));
  const double left = std::min(200.0, 20 + 6.6 * static_cast<double>(longest)),
               bottom = kTop + kRow * static_cast<double>(r.rows.size()) + 4;
  Chart all{r.title, "", "", false, false};
  for (const auto& [name, marks] : r.series)
    for (const Ranges::Mark& m : marks) all.series.push_back({"", {m.low, m.high}, {0, 0}});
  Axis x = axis_over(all, false, false);
  x.whole = false;
  const auto px = [&](double v) { return left + x.place(v) * (kWidth - left - kRight); };
  std::string s = open(r.title, bottom + 66);
  for (const double t : x.ticks()) s += x_tick(px(t), bottom, "0.12", number(t, false));
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    const double y = kTop + kRow * (static_cast<double>(i) + 0.5) + 2;
    s += to_text("<text x=\"", left - 8, "\" y=\"", y + 4, "\" text-anchor=\"end\">",
                 escaped(r.rows[i]), "</text>\n");
    for (std::size_t k = 0; k < r.series.size(); ++k) {
      const Ranges::Mark& m = r.series[k].second[i];
      if (!std::isfinite(m.low) || !std::isfinite(m.high)) continue;
      const double own =
          y + 7 * (static_cast<double>(k) - 0.5 * static_cast<double>(r.series.size() - 1));
      s += to_text("<line x1=\"", at(px(m.low)), "\" x2=\"", at(px(m.high)), "\" y1=\"", at(own),
                   "\" y2=\"", at(own), "\" stroke-width=\"2.5\" style=\"stroke:", colour(k),
                   "\"/><circle cx=\"", at(px(m.middle)), "\" cy=\"", at(own),
                   "\" r=\"3.5\" style=\"fill:", colour(k), "\"/>\n");
    }
  }
  for (std::size_t k = 0; k < r.series.size(); ++k) {
    const double lx = left + 140 * static_cast<double>(k);
    s += to_text("<circle cx=\"", lx + 5, "\" cy=\"", bottom + 52,
                 "\" r=\"4\" style=\"fill:", colour(k), "\"/><text x=\"", lx + 15, "\" y=\"",
                 bottom + 56, "\">", escaped(r.series[k].first), "</text>\n");
  }
  return to_text(s, "<text x=\"", (left + kWidth - kRight) / 2, "\" y=\"", bottom + 34,
                 "\" text-anchor=\"middle\">", escaped(r.x_label), "</text>\n</g>\n</svg>\n");
}

std::string svg(const HeatMap& m) {
  double low = INFINITY, high = -INFINITY;
  for (const double v : m.values)
    if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  const double width = (kWidth - kLeft - kRight) / static_cast<double>(m.columns.size()),
               height = (kHeight - kTop - kBottom) / static_cast<double>(m.rows.size());
  std::string s = open(m.title, kHeight);
  for (std::size_t r = 0; r < m.rows.size(); ++r) {
    const double y = kTop + static_cast<double>(r) * height;
    s += to_text("<text x=\"", kLeft - 6, "\" y=\"", at(y + height / 2 + 4),
                 "\" text-anchor=\"end\">", escaped(m.rows[r]), "</text>\n");
    for (std::size_t c = 0; c < m.columns.size(); ++c) {
      const double v = m.values[r * m.columns.size() + c],
                   x = kLeft + static_cast<double>(c) * width;
      // From dark blue to pale yellow. A higher value is always lighter, so that grey prints read
      // too.
      const double t = std::isfinite(v) && high > low ? (v - low) / (high - low) : 0;
      const auto mix = [t](double a, double b, double d) {
        return static_cast<int>(
            std::lround(t < 0.5 ? a + (b - a) * 2 * t : b + (d - b) * (2 * t - 1)));
      };
      const std::string fill = std::isfinite(v)
                                   ? to_text("rgb(", mix(15, 60, 250), ",", mix(50, 150, 235), ",",
                                             mix(110, 155, 170), ")")
                                   : "#888";
      s += to_text("<rect x=\"", at(x), "\" y=\"", at(y), "\" width=\"", at(width), "\" height=\"",
                   at(height), "\" fill=\"", fill, "\"/><text x=\"", at(x + width / 2), "\" y=\"",
                   at(y + height / 2 + 4), "\" text-anchor=\"middle\" fill=\"",
                   t > 0.55 ? "#111" : "#fff", "\">",
                   std::isfinite(v) ? format(v, m.pattern) : std::string("–"), "</text>\n");
    }
  }
  for (const std::size_t k : m.marked) {
    const std::size_t row = k / m.columns.size(), column = k % m.columns.size();
    s += to_text("<rect x=\"", at(kLeft + static_cast<double>(column) * width + 2), "\" y=\"",
                 at(kTop + static_cast<double>(row) * height + 2), "\" width=\"", at(width - 4),
                 "\" height=\"", at(height - 4),
                 "\" fill=\"none\" stroke=\"#D55E00\" stroke-width=\"3\"/>\n");
  }
  for (std::size_t c = 0; c < m.columns.size(); ++c)
    s += to_text("<text x=\"", at(kLeft + (static_cast<double>(c) + 0.5) * width), "\" y=\"",
                 kHeight - kBottom + 16, "\" text-anchor=\"middle\">", escaped(m.columns[c]),
                 "</text>\n");
  return s + labels(m.x_label, m.y_label) + "</svg>\n";
}

}  // namespace app
