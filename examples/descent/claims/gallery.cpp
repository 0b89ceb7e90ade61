// The paths of every rule over four functions of two variables.
#include "claims/experiment.h"
#include "page/html.h"

#include <array>

namespace app {

using namespace descent;

namespace {

/// A function of two variables, the point where the paths start, and the area that the picture
/// shows.
struct Surface {
  const char *id, *name;
  std::array<double, 2> start;
  Interval x, y;
  std::vector<std::pair<double, double>> minima;
  Tensor (*of)(const Tensor& x, const Tensor& y);
};

const std::vector<Surface> kSurfaces{
    {"beale",
     "Beale's function: a flat floor between steep walls; least at (3, 0.5)",
     {1, 1.5},
     {-0.5, 4},
     {-1.2, 2},
     {{3, 0.5}},
     [](const Tensor& x, const Tensor& y) {
       return (1.5 - x + x * y).square() + (2.25 - x + x * y.square()).square() +
              (2.625 - x + x * y.pow(3)).square();
     }},
    {"rosenbrock",
     "Rosenbrock's function: a bent valley; least at (1, 1)",
     {-1.2, 1},
     {-2, 2},
     {-1, 3},
     {{1, 1}},
     [](const Tensor& x, const Tensor& y) {
       return (1.0 - x).square() + 100.0 * (y - x.square()).square();
     }},
    {"himmelblau",
     "Himmelblau's function: four minima",
     {-0.3, -1},
     {-5, 5},
     {-5, 5},
     {{3, 2}, {-2.805118, 3.131313}, {-3.77931, -3.283186}, {3.584428, -1.848127}},
     [](const Tensor& x, const Tensor& y) {
       return (x.square() + y - 11.0).square() + (x + y.square() - 7.0).square();
     }},
    {"saddle",
     "A saddle, ½x² − ½y²: the way out is along y",
     {1.4, 0.02},
     {-1.6, 1.6},
     {-2, 2},
     {},
     [](const Tensor& x, const Tensor& y) { return 0.5 * x.square() - 0.5 * y.square(); }},
};

/// The name of a picture, and the rules whose paths it shows.
const std::vector<std::pair<const char*, std::vector<const char*>>> kFamilies{
    {"Descent and momentum", {"sgd", "momentum", "nesterov", "asgd", "schedule_free_sgd", "rprop"}},
    {"Rates per parameter", {"adagrad", "rmsprop", "adadelta", "adafactor", "prodigy", "lbfgs"}},
    {"Adam and kin", {"adam", "amsgrad", "adamw", "adamax", "nadam", "radam"}},
    {"Newer rules", {"lion", "muon", "lamb", "lars", "adan", "soap"}},
    {"Curvature, free of schedules, wrappers",
     {"sophia", "schedule_free_adamw", "muon_adamw", "sam(sgd)", "lookahead(adam)",
      "clip_norm(momentum, 1)"}},
};

constexpr int kSteps = 300;

double at(const Surface& s, double x, double y) {
  return s.of(tensor(x, kFloat64), tensor(y, kFloat64)).item();
}

/// The path of 300 steps, and the loss at its end. If the path ends far outside, the loss is
/// infinite.
std::pair<Series, double> walk(const Surface& s, const std::string& rule, double rate) {
  Tensor p = tensor({s.start[0], s.start[1]}, kFloat64)
                 .reshape({1, 2})
                 .clone();  // a matrix, because some rules refuse vectors
  p.requires_grad_();
  optim::Optimizer optimizer = optim::make(rule, {{"x", p}}, {{"lr", rate}});
  Series path{rule, {s.start[0]}, {s.start[1]}};
  try {
    for (int t = 0; t < kSteps; ++t) {
      step_on(optimizer, [&] { return s.of(p[0][0], p[0][1]); });
      const std::vector<double> now = p.detach().to_vector<double>();
      path.x.push_back(now[0]), path.y.push_back(now[1]);
    }
  } catch (const NonFiniteError&) {
    return {path, INFINITY};
  }
  const double x = path.x.back(), y = path.y.back(), loss = at(s, x, y);
  return {path, std::isfinite(loss) && std::fabs(x) < 50 && std::fabs(y) < 50 ? loss : INFINITY};
}

/// The path at the rate with the lowest loss at the end. The saddle has no lowest loss. There
/// a rule has the rate 0.03, or its default rate if this is 0.5 or more.
Series best_path(const Surface& s, const std::string& rule) {
  const double own = Described(rule).default_rate();
  if (std::string(s.id) == "saddle") {
    Series path = walk(s, rule, own >= 0.5 ? own : 0.03).first;
    path.name += to_text(", η ", own >= 0.5 ? own : 0.03);
    return path;
  }
  Series best;
  double lowest = INFINITY, chosen = 0;
  for (int i = 0; i <= 8; ++i) {
    const double rate = std::pow(10, -4 + 0.5 * i);
    const auto [path, loss] = walk(s, rule, rate);
    if (loss < lowest || best.x.empty()) best = path, lowest = loss, chosen = rate;
  }
  best.name += to_text(", η ", format(chosen, "%.2g"));
  return best;
}

}  // namespace

std::string gallery() {
  std::string page =
      "<h2 id=\"paths\">Every rule on four landscapes</h2>\n<p>300 steps from one start, each rule "
      "at the "
      "rate η, of nine from 10⁻⁴ to 1, with the lowest loss at the end; on the saddle at 0.03, or "
      "at its own "
      "default where that is 0.5 or more. A cross is a minimum, a dot the end of a path.</p>\n";
  for (const Surface& s : kSurfaces) {
    page += to_text("<h3>", escaped(s.name), "</h3>\n<div class=\"charts\">\n");
    bool first = true;
    for (const auto& [family, rules] : kFamilies) {
      Chart chart{family, "x", "y", false, false, {}};
      chart.landscape = Landscape{
          s.id, s.x, s.y, [&](double x, double y) { return at(s, x, y); }, !first, s.minima};
      for (const char* rule : rules) {
        chart.series.push_back(best_path(s, rule));
        chart.series.back().end = true;
      }
      page += svg(chart);
      first = false;
    }
    page += "</div>\n";
  }
  return page;
}

}  // namespace app
