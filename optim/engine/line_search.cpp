#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace descent::optim::detail {

double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }
double largest(const Tensor& a) { return a.numel() == 0 ? 0 : max(abs(a)).item(); }

namespace {

constexpr double kDecrease = 1e-4;  // c₁ of the Wolfe conditions
// zoom() stops once the bracket's length times the largest element of the direction is below this.
constexpr double kNarrowest = 1e-9;
constexpr int kMostEvaluations = 25;

/// Returns where the cubic through both points has its minimum, limited to [low, high]. If the
/// cubic has no minimum, returns the middle.
double cubic_minimum(const LinePoint& p, const LinePoint& q, double low, double high) {
  const LinePoint &a = p.t <= q.t ? p : q, &b = p.t <= q.t ? q : p;
  const double d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0) || !std::isfinite(square)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  return std::isfinite(t) ? std::clamp(t, low, high) : (low + high) / 2;
}

}  // namespace

LinePoint LineSearch::run(double t) {
  LinePoint last = start_, now = at(t);
  for (; rounds_ < kMostEvaluations; ++rounds_) {
    if (too_high(now) || (rounds_ > 1 && now.f >= last.f)) return zoom(last, now);
    if (flat_enough(now)) return now;
    if (now.slope >= 0) return zoom(last, now);
    const double next = cubic_minimum(last, now, now.t + 0.01 * (now.t - last.t), now.t * 10);
    last = std::exchange(now, at(next));
  }
  return start_.f <= now.f ? start_ : now;
}

LinePoint LineSearch::at(double t) {
  ++evaluations_;
  auto [f, g] = search_.evaluate(x_ + d_ * t);
  const double slope = inner(g, d_);
  LinePoint p{t, f, slope, std::move(g)};
  if (!std::isfinite(p.f) || !std::isfinite(p.slope)) p.f = HUGE_VAL;
  return p;
}
bool LineSearch::too_high(const LinePoint& p) const {
  return p.f > start_.f + kDecrease * p.t * start_.slope;
}
bool LineSearch::flat_enough(const LinePoint& p) const {
  return std::fabs(p.slope) <= -flatness_ * start_.slope;
}

/// Narrows the bracket [a, b] until a point inside it satisfies both Wolfe conditions.
LinePoint LineSearch::zoom(LinePoint a, LinePoint b) {
  LinePoint* best = a.f <= b.f ? &a : &b;
  LinePoint* other = best == &a ? &b : &a;
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
    LinePoint now = at(t);
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

}  // namespace descent::optim::detail
