#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/optim/engine/update.h>
#include <descent/optim/rules/shampoo.h>

#include <cmath>

namespace descent::optim {

std::optional<Shape> Shampoo::slot_shape(int slot, const Shape& w) const {
  if (slot < 2 || (slot == 2 && w.rank() < 2)) return w;
  if (w.rank() < 2) return {};
  std::int64_t columns = 1;
  for (int i = 1; i < w.rank(); ++i) columns *= w[i];
  const std::int64_t n = slot % 2 == 0 ? w[0] : columns;
  return Shape{n, n};
}

namespace {

/// A sum for a share of 1, else a moving average.
Tensor gathered(const Tensor& total, const Tensor& more, double keep) {
  return keep == 1 ? total + more : total * keep + more * (1 - keep);
}
/// What the average is multiplied by, because it began at 0.
double correction(double keep, std::int64_t t) {
  return keep == 1 ? 1 : 1 / (1 - std::pow(keep, static_cast<double>(t)));
}

/// Throws NonFiniteError for sums of squares that have left the range of their type.
const Tensor& finite(const Tensor& sums) {
  if (!kernel::all_finite(sums))
    fail<NonFiniteError>("shampoo", "got gradients too large for ", sums.dtype(),
                         ": the sums of their squares would become infinite. Hint: clip with "
                         "clip_norm, or train in double");
  return sums;
}

/// (A + εI)^(−¼) for a symmetric A without negative eigenvalues.
Tensor inverse_root(const Tensor& a, double eps) {
  const auto [values, vectors] = kernel::eigh(a.to(kFloat64));
  const Tensor powers = pow(maximum(values, 0.0) + eps, -0.25);
  return matmul(vectors * powers, vectors.t()).to(a.dtype());
}

}  // namespace

void Shampoo::update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const {
  if (w.numel() == 0) return;
  const Tensor &m = state[0], &v = state[1];
  Tensor &left = state[2], &right = state[3];
  const double b1 = beta1(s), b2 = beta2(s), eta = lr(s), raise = correction(b2, s.t);
  m.mul_(b1).add_(g, 1 - b1);
  const Tensor mean = m * correction(b1, s.t);
  Tensor step;
  if (w.dim() > 1) {
    const Tensor matrix = g.reshape({g.size(0), -1});
    const Tensor rows = matmul(matrix, matrix.t()), columns = matmul(matrix.t(), matrix);
    left = finite(gathered(left, rows, b2));
    right = finite(gathered(right, columns, b2));
    if ((s.t - 1) % static_cast<std::int64_t>(frequency(s)) == 0) {
      state[4] = inverse_root(left * raise, eps(s));
      state[5] = inverse_root(right * raise, eps(s));
    }
    step = matmul(matmul(state[4], mean.reshape(matrix.shape())), state[5]).reshape(g.shape());
  } else {
    left = finite(gathered(left, square(g), b2));
    step = mean / sqrt(left * raise + eps(s));
  }
  if (graft_adam || graft_sgd) {
    const double keep = graft_beta2(s);
    v.copy_(gathered(v, square(g), keep));
    const Tensor divisor = sqrt(v * correction(keep, s.t)) + graft_eps(s);
    const Tensor graft = graft_sgd ? mean : where(divisor > 0.0, mean / divisor, 0.0);
    if (const double length = euclidean_norm(step); length > 0)
      step = step * (euclidean_norm(graft) / length);
  }
  w.mul_(1 - eta * weight_decay(s)).sub_(step * eta);
}

}  // namespace descent::optim
