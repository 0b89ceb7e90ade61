// What is said of several runs: middle and spread, who is ahead, who reaches a target at what cost.
#pragma once

#include <vector>

namespace app {

/// The middle half of some values. A run that failed counts as −∞, and moves what it reaches.
struct Quartiles {
  double low, median, high;
};
/// Linear between the values, as NumPy's; NaN for none.
Quartiles quartiles(std::vector<double> values);

/// All of the middle half of `a` is above that of `b`.
inline bool above(const Quartiles& a, const Quartiles& b) { return a.low > b.high; }

/// Performance profile (Dolan & Moré, arXiv:cs/0102001): the share of problems that are solved at a
/// cost of at most `ratio` times that of the cheapest solver. costs[solver][problem], infinite
/// where it is not solved.
double profile(const std::vector<std::vector<double>>& costs, std::size_t solver, double ratio);
/// The area under it for ratios from 1 to `most`, as a share: 1 is cheapest on all.
double profile_area(const std::vector<std::vector<double>>& costs, std::size_t solver, double most);

}  // namespace app
