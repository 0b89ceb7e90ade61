// Internal. LineSearch: finds how far to go along a direction.
#pragma once

#include <descent/optim/engine/search_rule.h>

namespace descent::optim::detail {

double inner(const Tensor& a, const Tensor& b);  ///< the inner product Σ ab
double largest(const Tensor& a);                 ///< the largest |a|; 0 for no elements

/// A point on the line x + t·d: the loss f at the point, the slope of f along d, and the gradient
/// g.
struct LinePoint {
  double t, f, slope;
  Tensor g;
};

/// Searches a point at which the loss has fallen enough and is flat enough. These are the strong
/// Wolfe conditions, with c₁ = 1e-4 and c₂ = `flatness`: f ≤ f₀ + c₁·t·slope₀ and |slope| ≤
/// c₂·|slope₀|. Source: Nocedal & Wright 2006, Alg. 3.5 and 3.6, with safeguarded cubic
/// interpolation. Deviation: a point whose loss is not finite counts as too high, so the search
/// goes on nearer to the start.
class LineSearch {
 public:
  /// Starts at search.x and goes along `direction`. `slope` is the slope of the loss there, below
  /// 0.
  LineSearch(Search& search, const Tensor& direction, double slope, double flatness = 0.9)
      : search_(search),
        x_(search.x),
        d_(direction),
        start_{0, search.loss, slope, search.g},
        flatness_(flatness) {}
  /// Returns the best point found. Begins with the guess t and makes at most 26 evaluations.
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
  double flatness_;
  int rounds_ = 0, evaluations_ = 0;
};

}  // namespace descent::optim::detail
