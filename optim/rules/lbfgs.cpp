#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/optim/rules/lbfgs.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {
namespace {

using detail::Search;

constexpr double kDecrease = 1e-4, kCurvature1 = 0.9;  // c₁ and c₂ of the Wolfe conditions
constexpr double kNarrowest = 1e-9;  // bracket, times the direction's largest element
constexpr int kMostEvaluations = 25;

double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }
double largest(const Tensor& a) { return a.numel() == 0 ? 0 : max(abs(a)).item(); }

/// A point on the line x + t·d.
struct Point {
  double t, f, slope;
  Tensor g;
  bool finite() const { return std::isfinite(f) && std::isfinite(slope); }
};

/// Where the cubic through both points has its minimum, kept within [low, high]; the middle if it
/// has none.
double cubic_minimum(const Point& p, const Point& q, double low, double high) {
  const Point &a = p.t <= q.t ? p : q, &b = p.t <= q.t ? q : p;
  const double d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0) || !std::isfinite(square)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  return std::isfinite(t) ? std::clamp(t, low, high) : (low + high) / 2;
}

/// Strong Wolfe: Nocedal & Wright, Alg. 3.5 and 3.6, with safeguarded cubic interpolation.
class LineSearch {
 public:
  LineSearch(Search& search, const Tensor& direction, double slope)
      : search_(search), x_(search.x), d_(direction), start_{0, search.loss, slope, search.g} {}

  /// The best point found, from a first guess of t.
  Point run(double t) {
    Point last = start_, now = at(t);
    for (; rounds_ < kMostEvaluations; ++rounds_) {
      if (too_high(now) || (rounds_ > 1 && now.f >= last.f)) return zoom(last, now);
      if (flat_enough(now)) return now;
      if (now.slope >= 0) return zoom(last, now);
      const double next = cubic_minimum(last, now, now.t + 0.01 * (now.t - last.t), now.t * 10);
      last = std::exchange(now, at(next));
    }
    return start_.f <= now.f ? start_ : now;
  }
  int evaluations() const { return evaluations_; }

 private:
  Point at(double t) {
    ++evaluations_;
    auto [f, g] = search_.evaluate(x_ + d_ * t);
    const double slope = inner(g, d_);
    Point p{t, f, slope, std::move(g)};
    if (!p.finite()) p.f = HUGE_VAL;
    return p;
  }
  bool too_high(const Point& p) const { return p.f > start_.f + kDecrease * p.t * start_.slope; }
  bool flat_enough(const Point& p) const {
    return std::fabs(p.slope) <= -kCurvature1 * start_.slope;
  }

  /// Narrows the bracket [a, b] until a point in it satisfies both conditions.
  Point zoom(Point a, Point b) {
    Point* best = a.f <= b.f ? &a : &b;
    Point* other = best == &a ? &b : &a;
    const double reach = largest(d_);
    bool slow = false;
    for (; rounds_ < kMostEvaluations; ++rounds_) {
      const double low = std::min(a.t, b.t), high = std::max(a.t, b.t), margin = 0.1 * (high - low);
      if ((high - low) * reach < kNarrowest) break;
      double t = cubic_minimum(a, b, low, high);
      const bool near_end = std::min(high - t, t - low) < margin;
      if (near_end && (slow || t >= high || t <= low)) {
        t = std::fabs(t - high) < std::fabs(t - low) ? high - margin : low + margin;
        slow = false;
      } else {
        slow = near_end;
      }
      Point now = at(t);
      if (too_high(now) || now.f >= best->f) {
        *other = std::move(now);
        best = a.f <= b.f ? &a : &b;
        other = best == &a ? &b : &a;
        continue;
      }
      const bool done = flat_enough(now);
      if (!done && now.slope * (other->t - best->t) >= 0) *other = *best;
      *best = std::move(now);
      if (done) break;
    }
    return *best;
  }

  Search& search_;
  Tensor x_, d_;
  Point start_;
  int rounds_ = 0, evaluations_ = 0;
};

/// −H·g by the two-loop recursion.
Tensor quasi_newton(const Search& s) {
  Tensor q = -s.g;
  std::vector<double> alpha(s.ss.size());
  for (std::size_t i = s.ss.size(); i-- > 0;) {
    alpha[i] = inner(s.ss[i], q) / inner(s.ys[i], s.ss[i]);
    q = q - s.ys[i] * alpha[i];
  }
  q = q * s.scale;
  for (std::size_t i = 0; i < s.ss.size(); ++i)
    q = q + s.ss[i] * (alpha[i] - inner(s.ys[i], q) / inner(s.ys[i], s.ss[i]));
  return q;
}

/// Takes the last step into memory, unless its curvature is not positive.
void remember(Search& s, std::size_t most) {
  const Tensor y = s.g - s.last_gradient, step = s.direction * s.t;
  const double ys = inner(y, step);
  if (!(ys > 1e-10)) return;
  s.ys.push_back(y);
  s.ss.push_back(step);
  while (s.ys.size() > most) {
    s.ys.erase(s.ys.begin());
    s.ss.erase(s.ss.begin());
  }
  s.scale = ys / inner(y, y);
}

}  // namespace

void LBFGS::minimize(Search& s) const {
  const NoGradGuard guard;
  const double change = tolerance_change(s.step);
  const auto most = static_cast<std::int64_t>(max_iter(s.step));
  const auto evaluations =
      max_eval(s.step) > 0 ? static_cast<std::int64_t>(max_eval(s.step)) : most * 5 / 4;
  if (largest(s.g) <= tolerance_grad(s.step)) return;
  std::int64_t used = 1;
  for (std::int64_t n = 1;; ++n) {
    if (++s.iterations == 1)
      s.direction = -s.g;
    else {
      remember(s, static_cast<std::size_t>(history(s.step)));
      s.direction = quasi_newton(s);
    }
    const double before = s.loss, slope = inner(s.g, s.direction);
    s.last_gradient = s.g;
    s.t = lr(s.step) * (s.iterations == 1 ? std::min(1.0, 1 / sum(abs(s.g)).item()) : 1);
    if (slope > -change) return;
    if (strong_wolfe) {
      LineSearch line(s, s.direction, slope);
      const Point p = line.run(s.t);
      used += line.evaluations();
      s.t = p.t;
      s.x = s.x + s.direction * p.t;
      s.loss = p.f;
      s.g = p.g;
    } else {
      const Tensor x = s.x + s.direction * s.t;
      if (n == most) {
        s.x = x;
        return;
      }
      auto [f, g] = s.evaluate(x);
      ++used;
      if (!std::isfinite(f) || !std::isfinite(sum(g).item())) return;  // stays where it was
      s.x = x;
      s.loss = f;
      s.g = g;
    }
    if (n == most || used >= evaluations || largest(s.g) <= tolerance_grad(s.step) ||
        largest(s.direction * s.t) <= change || std::fabs(s.loss - before) < change)
      return;
  }
}

}  // namespace descent::optim
