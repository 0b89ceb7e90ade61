#include "study/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace app {

namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const double low = sorted[static_cast<std::size_t>(std::floor(at))],
               high = sorted[static_cast<std::size_t>(std::ceil(at))];
  if (!std::isfinite(low) || !std::isfinite(high)) return low == high ? low : -INFINITY;
  return low + (high - low) * (at - std::floor(at));
}

/// For each problem, the cost of a solver divided by the cost of the cheapest solver.
std::vector<double> ratios(const std::vector<std::vector<double>>& costs, std::size_t solver) {
  std::vector<double> all;
  for (std::size_t p = 0; p < costs[solver].size(); ++p) {
    double least = INFINITY;
    for (const std::vector<double>& c : costs) least = std::min(least, c[p]);
    all.push_back(std::isfinite(costs[solver][p]) ? costs[solver][p] / least : INFINITY);
  }
  return all;
}

}  // namespace

Quartiles quartiles(std::vector<double> values) {
  if (values.empty()) return {NAN, NAN, NAN};
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)};
}

double mean_over_error(const std::vector<double>& differences) {
  const auto n = static_cast<double>(differences.size());
  if (n < 2) return 0;
  double mean = 0, squares = 0;
  for (const double d : differences) mean += d / n;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  return error > 0 ? mean / error : mean == 0 ? 0 : std::copysign(INFINITY, mean);
}

double profile(const std::vector<std::vector<double>>& costs, std::size_t solver, double ratio) {
  double solved = 0;
  const std::vector<double> all = ratios(costs, solver);
  for (const double r : all) solved += r <= ratio;
  return all.empty() ? 0 : solved / static_cast<double>(all.size());
}

double profile_area(const std::vector<std::vector<double>>& costs, std::size_t solver,
                    double most) {
  double area = 0;
  const std::vector<double> all = ratios(costs, solver);
  for (const double r : all) area += std::max(0.0, most - std::max(1.0, r)) / (most - 1);
  return all.empty() ? 0 : area / static_cast<double>(all.size());
}

}  // namespace app
