// Internal. A line search: how far to go along a direction.
#pragma once

#include <descent/optim/engine/search_rule.h>

namespace descent::optim::detail {

double inner(const Tensor& a, const Tensor& b);  ///< Σ ab
double largest(const Tensor& a);                 ///< the largest |a|; 0 for no elements

/// A point on the line x + t·d: the loss f there, its slope along d, the gradient g.
struct LinePoint {
  double t, f, slope;
  Tensor g;
};

/// Searches a point at which f has fallen enough and is flat enough: the strong Wolfe conditions,
/// with c₁ = 1e-4 and c₂ = 0.9. Nocedal & Wright 2006, Alg. 3.5 and 3.6, with safeguarded cubic
/// interpolation. If f is not finite somewhere, the search comes back nearer.
class LineSearch {
 public:
  /// From search.x along `direction`, where f has the slope `slope` < 0.
  LineSearch(Search& search, const Tensor& direction, double slope)
      : search_(search), x_(search.x), d_(direction), start_{0, search.loss, slope, search.g} {}
  /// The best point found, from a first guess of t, by at most 25 evaluations.
  LinePoint run(double t);
  int evaluations() const { return evaluations_; }

 private:
  LinePoint at(double t);
  LinePoint zoom(LinePoint a, LinePoint b);
  bool too_high(const LinePoint& p) const;
  bool flat_enough(const LinePoint& p) const;

  Search& search_;
  Tensor x_, d_;
  LinePoint start_;
  int rounds_ = 0, evaluations_ = 0;
};

}  // namespace descent::optim::detail
