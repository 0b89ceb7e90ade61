#include "svg.h"

#include "console.h"

#include <descent/core/error.h>
#include <algorithm>
#include <array>
#include <cmath>

namespace app {
namespace {

using descent::concat;

constexpr double kWidth = 640, kHeight = 360, kLeft = 64, kRight = 24, kTop = 28, kBottom = 44;

/// Text as it may stand in XML.
std::string escaped(const std::string& s) {
  std::string out;
  for (const char c : s)
    out += c == '<'   ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '&' ? "&amp;"
           : c == '"' ? "&quot;"
                      : std::string(1, c);
  return out;
}

struct Axis {
  double low, high;
  bool log, whole = false;        // whole: ticks at integers only
  double place(double v) const {  // 0 … 1
    return log ? (std::log10(v) - std::log10(low)) / (std::log10(high) - std::log10(low))
               : (v - low) / (high - low);
  }
  std::vector<double> ticks() const {
    std::vector<double> t;
    if (log) {
      const bool narrow = std::log10(high / low) < 2;
      for (double p = std::pow(10, std::floor(std::log10(low))); p <= high * 1.0001; p *= 10)
        for (const double m : {1.0, 2.0, 5.0})
          if ((m == 1 || narrow) && p * m >= low * 0.9999 && p * m <= high * 1.0001)
            t.push_back(p * m);
      if (t.size() >= 2) return t;
      t.clear();  // less than a step of 1, 2, 5: even steps
    }
    const double raw = (high - low) / 6, power = std::pow(10, std::floor(std::log10(raw)));
    double step = raw / power < 1.5   ? power
                  : raw / power < 3.5 ? 2 * power
                  : raw / power < 7.5 ? 5 * power
                                      : 10 * power;
    if (whole) step = std::max(1.0, step);
    for (double v = std::ceil(low / step) * step; v <= high + step * 1e-9; v += step)
      t.push_back(std::fabs(v) < step * 1e-9 ? 0 : v);
    return t;
  }
};

Axis axis_over(const std::vector<Series>& series, bool use_y, bool log) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& s : series)
    for (const double v : use_y ? s.y : s.x)
      if (std::isfinite(v) && (!log || v > 0)) {
        low = std::min(low, v);
        high = std::max(high, v);
      }
  if (!(low <= high)) low = log ? 0.1 : 0, high = 1;
  if (low == high) low = log ? low / 2 : low - 0.5, high = log ? high * 2 : high + 0.5;
  bool whole = !use_y;
  for (const Series& line : series)
    for (const double v : line.x) whole = whole && v == std::floor(v);
  return {low, high, log, whole};
}

std::string number(double v) { return format(v, "%.4g"); }
std::string at(double v) { return format(v, "%.1f"); }

}  // namespace

std::string stroke(std::size_t i) {
  // Okabe & Ito's palette without black and yellow, then the same again dashed.
  constexpr std::array colours{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"};
  constexpr std::array dashes{"", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\""};
  return concat("stroke=\"", colours[i % colours.size()], "\"",
                dashes[i / colours.size() % dashes.size()]);
}

std::string svg(const Chart& c) {
  const Axis x = axis_over(c.series, false, false), y = axis_over(c.series, true, c.log_y);
  const auto px = [&](double v) { return kLeft + x.place(v) * (kWidth - kLeft - kRight); };
  const auto py = [&](double v) {
    return kHeight - kBottom - y.place(v) * (kHeight - kTop - kBottom);
  };
  const double legend = 18 * std::ceil(static_cast<double>(c.series.size()) / 3) + 8;
  std::string s = concat("<svg viewBox=\"0 0 ", kWidth, " ", kHeight + legend,
                         "\" role=\"img\" aria-label=\"", escaped(c.title),
                         "\" xmlns=\"http://www.w3.org/2000/svg\">\n<g font-family=\"sans-serif\" "
                         "font-size=\"12\" fill=\"currentColor\">\n");
  s += concat("<text x=\"", kLeft, "\" y=\"16\" font-size=\"14\" font-weight=\"bold\">",
              escaped(c.title), "</text>\n");
  for (const double t : x.ticks())
    s += concat("<line x1=\"", at(px(t)), "\" x2=\"", at(px(t)), "\" y1=\"", kTop, "\" y2=\"",
                kHeight - kBottom, "\" stroke=\"currentColor\" stroke-opacity=\"0.12\"/><text x=\"",
                at(px(t)), "\" y=\"", kHeight - kBottom + 16, "\" text-anchor=\"middle\">",
                number(t), "</text>\n");
  for (const double t : y.ticks())
    s += concat("<line x1=\"", kLeft, "\" x2=\"", kWidth - kRight, "\" y1=\"", at(py(t)),
                "\" y2=\"", at(py(t)),
                "\" stroke=\"currentColor\" stroke-opacity=\"0.12\"/><text x=\"", kLeft - 6,
                "\" y=\"", at(py(t) + 4), "\" text-anchor=\"end\">", number(t), "</text>\n");
  s += concat("<text x=\"", (kLeft + kWidth - kRight) / 2, "\" y=\"", kHeight - 8,
              "\" text-anchor=\"middle\">", escaped(c.x_label), "</text>\n");
  s += concat("<text transform=\"translate(14 ", (kTop + kHeight - kBottom) / 2,
              ") rotate(-90)\" text-anchor=\"middle\">", escaped(c.y_label), "</text>\n</g>\n");
  for (std::size_t i = 0; i < c.series.size(); ++i) {
    const Series& line = c.series[i];
    std::string path;
    bool pen = false;
    for (std::size_t k = 0; k < line.x.size(); ++k) {
      const bool drawn = std::isfinite(line.y[k]) && (!c.log_y || line.y[k] > 0);
      if (drawn) path += concat(pen ? "L" : "M", at(px(line.x[k])), " ", at(py(line.y[k])));
      pen = drawn;
    }
    s += concat("<path d=\"", path,
                "\" fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\" ", stroke(i),
                "><title>", escaped(line.name), "</title></path>\n");
    const double lx = kLeft + static_cast<double>(i % 3) * 190,
                 ly = kHeight + 12 + 18 * std::floor(static_cast<double>(i) / 3);
    s += concat("<line x1=\"", lx, "\" x2=\"", lx + 26, "\" y1=\"", ly, "\" y2=\"", ly,
                "\" stroke-width=\"2.4\" ", stroke(i), "/><text x=\"", lx + 32, "\" y=\"", ly + 4,
                "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">",
                escaped(line.name), "</text>\n");
  }
  return s + "</svg>\n";
}

}  // namespace app
