#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/optim/rules/soap.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace descent::optim {

std::optional<Shape> SOAP::slot_shape(int slot, const Shape& w) const {
  if (slot < 2) return w;
  if (w.rank() != 2) return {};
  const std::int64_t n = slot % 2 == 0 ? w[0] : w[1];
  return Shape{n, n};
}

namespace {

/// One step of orthogonal iteration: Q ← qr(PQ). Before, the columns q of Q are sorted by qᵀPq, the
/// largest first, and v is sorted alike along `dim`.
void iterate(const Tensor& q, const Tensor& p, const Tensor& v, std::int64_t dim) {
  const Tensor pq = matmul(p, q);
  if (!kernel::all_finite(pq)) return;
  const Tensor share = sum(q.to(kFloat64) * pq.to(kFloat64), 0);
  std::vector<std::int64_t> order(static_cast<std::size_t>(q.size(1)));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [of = share.data_ptr<double>()](auto a, auto b) {
    return of[a] != of[b] ? of[a] > of[b] : a < b;
  });
  const Tensor index = tensor(order);
  v.copy_(index_select(v, dim, index));
  q.copy_(kernel::orthonormal(index_select(pq, 1, index)));
}

}  // namespace

void SOAP::update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const {
  if (w.numel() == 0) return;
  const bool matrix = w.dim() == 2;
  const Tensor &m = state[0], &v = state[1], &left = state[2], &right = state[3],
               &q_left = state[4], &q_right = state[5];
  const auto into_basis = [&](const Tensor& x) {
    return matrix ? matmul(matmul(q_left.t(), x), q_right) : x;
  };
  const auto out_of_basis = [&](const Tensor& x) {
    return matrix ? matmul(matmul(q_left, x), q_right.t()) : x;
  };
  if (s.t > 1) {
    const auto k = static_cast<double>(s.t - 1);
    const double b1 = beta1(s), b2 = beta2(s);
    m.mul_(b1).add_(g, 1 - b1);
    v.mul_(b2).add_(square(into_basis(g)), 1 - b2);
    const double eta = lr(s) * std::sqrt(1 - std::pow(b2, k)) / (1 - std::pow(b1, k));
    const Tensor d = sqrt(v) + eps(s);
    const Tensor step = where(d.eq(zeros({}, d.dtype())), 0.0, into_basis(m) / d);
    w.sub_(out_of_basis(step) * eta);
    w.mul_(1 - lr(s) * weight_decay(s));
  }
  if (!matrix) return;
  const double keep = shampoo_beta(s) < 0 ? beta2(s) : shampoo_beta(s);
  const Tensor rows = matmul(g, g.t()), columns = matmul(g.t(), g);
  if (!kernel::all_finite(rows) || !kernel::all_finite(columns)) return;  // too large to square
  left.mul_(keep).add_(rows, 1 - keep);
  right.mul_(keep).add_(columns, 1 - keep);
  if ((s.t - 1) % static_cast<std::int64_t>(frequency(s)) != 0) return;
  if (s.t == 1 || exact_basis) {
    q_left.copy_(kernel::eigh(left).vectors);
    q_right.copy_(kernel::eigh(right).vectors);
  } else {
    iterate(q_left, left, v, 0);
    iterate(q_right, right, v, 1);
  }
}

}  // namespace descent::optim
