// Statistics over several runs: quartiles, and performance profiles.
#pragma once

#include <vector>

namespace app {

/// The quartiles of some values: the lower quartile, the median and the upper quartile. A run that
/// failed counts as −∞. If enough runs fail, a quartile is −∞ too.
struct Quartiles {
  double low, median, high;
};
/// Computes the quartiles. As NumPy does, interpolates linearly between the values. All three are
/// NaN if there are no values.
Quartiles quartiles(std::vector<double> values);

/// True if the middle half of `a` lies above the middle half of `b`.
inline bool above(const Quartiles& a, const Quartiles& b) { return a.low > b.high; }

/// The mean of some differences, divided by its standard error; infinite if all differences are
/// alike and not 0, and 0 if there are fewer than two.
double mean_over_error(const std::vector<double>& differences);

/// Performance profile (Dolan & Moré, arXiv:cs/0102001). It is the share of problems that a solver
/// solves at no more than `ratio` times the cost of the cheapest solver. `costs` is
/// costs[solver][problem], infinite if the solver does not solve the problem.
double profile(const std::vector<std::vector<double>>& costs, std::size_t solver, double ratio);
/// The area under a solver's performance profile for ratios from 1 to `most`, divided by most − 1.
/// The area is 1 if the solver is the cheapest on every problem.
double profile_area(const std::vector<std::vector<double>>& costs, std::size_t solver, double most);

}  // namespace app
