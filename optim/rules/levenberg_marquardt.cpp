#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/log.h>
#include <descent/core/text.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/levenberg_marquardt.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace descent::optim {

namespace detail {

void LmMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("damping", damping, true);
  visit("growth", growth, true);
  visit("scale", scale, {n}, kFloat64, damping > 0);
  visit("rescues", rescues);
}

namespace {

constexpr double kAccept = 1e-4, kProbe = 0.1;  // the least gain ratio, and h
constexpr double kPoor = 0.1;    // a λ above this says that the linear model is poor
constexpr double kDead = 1e-16;  // the least share of D's largest element, once a fit is stuck
constexpr int kRescues = 10;     // how often a fit that is stuck starts anew

/// Where the fit stands: residuals, their derivatives, and the squared lengths of J's columns.
struct Place {
  Tensor r, j, g, columns;
  double loss;

  Place(const Tensor& residuals, Tensor jacobian)
      : r(residuals),
        j(std::move(jacobian)),
        g(product(j.t(), r)),
        columns(sum(square(j), {0})),
        loss(inner(r, r) / 2) {}
  /// True if no column of J tells how r could become shorter.
  bool is_flat(double tolerance) const {
    return loss == 0 || !some(abs(g) > sqrt(columns) * (tolerance * std::sqrt(2 * loss)));
  }
  /// True if r could hardly become shorter: it is nearly orthogonal to J, or no longer than what
  /// rounding leaves of a fit at x.
  bool is_good(const Tensor& x, double epsilon) const {
    return is_flat(std::max(1e-5, 1e4 * epsilon)) ||
           std::sqrt(2 * loss) <= 1e3 * epsilon * max(sqrt(columns) * abs(x)).item();
  }
};

/// The step (JᵀJ + λD)δ = −Jᵀb, for one J, λ and D. With K = J/√D: √D·δ has the smallest
/// ‖K·x + b‖² + λ‖x‖². If there are fewer residuals than weights, it is the x of the shortest
/// (x, y) with K·x + √λ·y = −b.
class Damped {
 public:
  Damped(const Tensor& j, double damping, const Tensor& scale)
      : root_(sqrt(scale)), wide_(j.size(0) < j.size(1)), qr_(stacked(j / root_, damping, wide_)) {}
  Tensor solve(const Tensor& b) const {
    const std::int64_t n = root_.numel();
    if (wide_) return qr_.shortest(-b).slice(0, 0, n) / root_;
    return qr_.solve(cat({-b, zeros({n}, kFloat64)})) / root_;
  }
  double length(const Tensor& step) const { return detail::length(root_ * step); }

 private:
  static Tensor stacked(const Tensor& k, double damping, bool wide) {
    const Tensor damped = eye(std::min(k.size(0), k.size(1)), kFloat64) * std::sqrt(damping),
                 tall = wide ? k.t() : k;
    return cat({tall, damped});
  }
  Tensor root_;
  bool wide_;
  kernel::QR qr_;
};

/// Raises small elements of D to a share of the largest. Returns false if there are none.
bool raise(Tensor& scale) {
  const Tensor least = max(scale) * kDead;
  if (!some(scale < least)) return false;
  scale = maximum(scale, least);
  return true;
}

}  // namespace

void LmMemory::end() {
  const bool said = warned;
  *this = {};
  warned = said;
}

}  // namespace detail

void LevenbergMarquardt::minimize(LeastSquares& p, Memory& memory) const {
  using namespace detail;
  const double keep = scale_memory(p.step), bend = acceleration(p.step),
               tolerance = tolerance_change(p.step), flat = tolerance_grad(p.step);
  const auto end = [&](Ending why) {
    p.ended = why;
    memory.end();
  };
  const auto warn = [&](const std::string& text) {
    if (!std::exchange(memory.warned, true)) logging::warning(text);
  };
  Place here(p.r, p.jacobian());
  const auto scale_of = [&](const Place& at) {
    if (unscaled) return ones_like(p.x);
    return where(at.columns > 0, at.columns, ones_like(at.columns));
  };
  const auto first_damping = [&] {
    return damping(p.step) * (unscaled ? max(here.columns).item() : 1);
  };
  // True if r is small or flat, or if even a step with little damping would hardly move.
  const auto has_converged = [&] {
    if (here.is_good(p.x, p.epsilon)) return true;
    const Tensor full = Damped(here.j, first_damping(), scale_of(here)).solve(here.r);
    return largest(full) <= 1e-6 * largest(p.x);  // false for NaN
  };
  if (!(memory.damping > 0) || !is_finite(memory.scale)) {
    memory.scale = scale_of(here);
    memory.damping = first_damping();
  }
  for (auto left = static_cast<std::int64_t>(max_iter(p.step)); left > 0; --left) {
    if (here.is_flat(flat)) return end("tolerance_grad");
    const Damped system(here.j, memory.damping, memory.scale);
    Tensor step = system.solve(here.r);
    const double foretold =
        (memory.damping * std::pow(system.length(step), 2) - inner(step, here.g)) / 2;
    bool good = is_finite(step) && foretold > 0;
    if (good && bend > 0) {
      const Tensor probe = p.evaluate(p.x + step * kProbe);
      const Tensor curve = ((probe - here.r) / kProbe - product(here.j, step)) * (2 / kProbe);
      const Tensor turn = system.solve(curve);
      good = is_finite(turn) && 2 * system.length(turn) <= bend * system.length(step);
      if (good) step = step + turn / 2;
    }
    const Tensor next = p.x + step;
    const bool still = !some(next != p.x);
    const bool tiny = still || !some(abs(step) > abs(p.x) * tolerance);
    if (good && !still) {
      const Tensor r = p.evaluate(next);
      const double gain = (here.loss - inner(r, r) / 2) / foretold;
      good = gain > kAccept;  // false for NaN
      Tensor j;
      if (good) good = is_finite(j = p.jacobian());
      if (good) {
        p.x = next;
        here = Place(r, j);
        memory.damping *= std::max(1.0 / 3, 1 - std::pow(2 * gain - 1, 3));
        memory.growth = 2;
        const double kept = keep > 0 && memory.damping > kPoor ? 1 : keep;
        if (!unscaled) memory.scale = maximum(scale_of(here), memory.scale * kept);
      }
    }
    if (tiny && is_finite(step)) {
      if ((good && memory.rescues == 0) || has_converged()) return end("tolerance_change");
      // First the others move without the parameters of dead columns, then all do, and so on.
      const bool raised = memory.rescues % 2 != 0;
      if (memory.rescues < kRescues && !unscaled && (raised || raise(memory.scale))) {
        if (raised) memory.scale = scale_of(here);
        ++memory.rescues;
        memory.damping = first_damping();
        memory.growth = 2;
        continue;
      }
      warn(
          "lm: no step makes the residuals smaller, although their gradient is not 0. Hint: start "
          "elsewhere; a parameter may be so far off that the residuals do not depend on it");
      return end(kNoLowerPoint);
    }
    if (!good) {
      memory.damping *= memory.growth;
      memory.growth *= 2;
    }
    memory.damping = std::clamp(memory.damping, 1e-30, 1e300);
  }
  if (here.is_flat(flat)) return end("tolerance_grad");
  p.ended = "max_iter";
  if (const double most = max_iter(p.step); most >= 100)
    warn(to_text("lm: the fit has not converged after max_iter = ", most,
                 " iterations. Hint: the next step() goes on"));
}

}  // namespace descent::optim
