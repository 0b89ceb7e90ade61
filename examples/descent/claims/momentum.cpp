// Momentum rolls on and keeps its direction.
#include "claims/experiment.h"

#include <array>

namespace app::claims {

using namespace descent;

namespace {

/// The function ½(x² + κy²), and a point that starts at (1, 1).
struct Valley {
  double kappa;
  Tensor x = point({1, 1});
  Tensor scale = tensor({1.0, kappa}, kFloat64);

  Tensor loss() const { return 0.5 * (scale * x.square()).sum(); }
  double distance() const { return std::max(std::fabs(x[0].item()), std::fabs(x[1].item())); }
};

/// The best settings of a method for a quadratic with the eigenvalues 1 and κ, by theory.
optim::SGD best_setting(int method, double kappa) {
  const double root = std::sqrt(kappa);
  if (method == 0) return {.lr = 2 / (1 + kappa)};
  if (method == 1)
    return {.lr = 4 / ((1 + root) * (1 + root)),
            .momentum = (root - 1) * (root - 1) / ((root + 1) * (root + 1))};
  return {.lr = 1 / kappa, .momentum = (root - 1) / (root + 1), .nesterov = true};
}

constexpr std::array kMethods{"gradient descent", "heavy ball", "Nesterov"};

void measure(Evidence& e) {
  const std::array<std::pair<double, std::array<const char*, 3>>, 4> expected{
      {{10, {"69", "27", "43"}},
       {100, {"691", "95", "157"}},
       {1000, {"6908", "321", "518"}},
       {10000, {"69078", "1074", "1659"}}}};
  Chart curve{"Distance from the minimum, κ = 100", "step", "max |x|", false, true};
  for (const auto& [kappa, steps] : expected)
    for (int m = 0; m < 3; ++m) {
      Valley valley{kappa};
      optim::Optimizer optimizer({valley.x}, best_setting(m, kappa));
      Series line{kMethods[static_cast<std::size_t>(m)], {0}, {1}};
      int count = 0;
      while (valley.distance() > 1e-6 && count < 100000) {
        step_on(optimizer, [&] { return valley.loss(); });
        ++count;
        if (kappa == 100) line.x.push_back(count), line.y.push_back(valley.distance());
      }
      e.equals(to_text("κ ", kappa, ", ", kMethods[static_cast<std::size_t>(m)]), count,
               steps[static_cast<std::size_t>(m)]);
      if (kappa == 100) curve.series.push_back(line);
    }
  e.show(curve);

  Chart paths{"Paths in the valley ½(x² + 10y²), 25 steps", "x", "y"};
  paths.landscape = Landscape{
      "valley", {-0.6, 1.1}, {-1.1, 1.1}, [](double x, double y) { return x * x + 10 * y * y; }};
  for (int m = 0; m < 3; ++m) {
    Valley valley{10};
    optim::Optimizer optimizer({valley.x}, best_setting(m, 10));
    Series line{kMethods[static_cast<std::size_t>(m)], {1}, {1}};
    for (int i = 0; i < 25; ++i) {
      step_on(optimizer, [&] { return valley.loss(); });
      line.x.push_back(valley.x[0].item()), line.y.push_back(valley.x[1].item());
    }
    paths.series.push_back(line);
  }
  e.show(paths);
}

}  // namespace

const Claim momentum{
    "momentum",
    "Momentum rolls on and keeps its direction: it crosses narrow valleys in far fewer steps.",
    "½(x² + κy²) from (1, 1) until both are within 10⁻⁶, each method at the setting that theory "
    "gives "
    "as its best: steps of gradient descent, heavy ball and Nesterov's method.",
    measure};

}  // namespace app::claims
