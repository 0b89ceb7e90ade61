// Linear algebra. The rules are those of Giles 2008, "Collected matrix derivative results".
// Legend: g the gradient of the output, a the matrix.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/launch.h>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::record;
using detail::Saved;

namespace {

void check_square(const char* op, const Tensor& a) {
  if (a.dim() != 2 || a.size(0) != a.size(1))
    fail<ShapeError>(op, "got ", a.shape(), ", expected a square matrix");
}

/// Turns a vector into a matrix of one column.
Tensor columns(const Tensor& b) { return b.dim() == 1 ? b.unsqueeze(1) : b; }

void check_rows(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dim() != 2 || b.dim() < 1 || b.dim() > 2 || b.size(0) != a.size(0))
    fail<ShapeError>(op, "got ", a.shape(), " and ", b.shape(),
                     ", expected a matrix (n, n) and (n) or (n, k)");
}

/// Half of the lower triangle's other side: symmetric, from a gradient of the lower triangle.
Tensor symmetric(const Tensor& g) { return (g + g.t()) * 0.5; }

}  // namespace

Tensor solve(const Tensor& a, const Tensor& b) {  // gb = a⁻ᵀg, ga = −gb·xᵀ
  check_rows("solve", a, b);
  check_square("solve", a);
  return record("solve", kernel::solve(a, b), {a, b},
                [a = Saved(a)](const Tensor& g, const Tensor& x, Need need) {
                  const Tensor gb = solve(a->t(), g);
                  return Grads(need[0] ? -matmul(columns(gb), columns(x).t()) : Tensor(), gb);
                });
}

Tensor inverse(const Tensor& a) {
  check_square("inverse", a);
  return solve(a, detail::constant([&] { return eye(a.size(0), -1, a.dtype()); }));
}

Tensor det(const Tensor& a) {  // det·a⁻ᵀ
  check_square("det", a);
  return record("det", kernel::det(a), {a}, [a = Saved(a)](const Tensor& g, const Tensor& y, Need) {
    return Grads(g * y * inverse(a).t());
  });
}

Tensor cholesky(const Tensor& a) {  // l⁻ᵀ·Φ(lᵀg)·l⁻¹, Φ: the lower triangle, its diagonal halved
  check_square("cholesky", a);
  return record("cholesky", kernel::cholesky(a), {a}, [](const Tensor& g, const Tensor& l, Need) {
    const Tensor inner = tril(matmul(l.t(), tril(g)));
    const Tensor phi = inner - diag(diag(inner)) * 0.5;
    const Tensor left = solve(l.t(), phi);                // l⁻ᵀΦ
    return Grads(symmetric(solve(l.t(), left.t()).t()));  // (l⁻ᵀ(l⁻ᵀΦ)ᵀ)ᵀ = l⁻ᵀΦl⁻¹
  });
}

Eigenpairs eigh(const Tensor& a) {
  check_square("eigh", a);
  const std::int64_t n = a.size(0);
  // One tensor of vectors above and values in the last row, so that one rule has both gradients.
  const Tensor both = record(
      "eigh", kernel::vectors_and_values(a), {a}, [n](const Tensor& g, const Tensor& y, Need) {
        const Tensor v = y.narrow(0, 0, n), w = y.select(0, n), gv = g.narrow(0, 0, n),
                     gw = g.select(0, n);
        // v·(F ∘ vᵀgv + diag gw)·vᵀ, F_ij = 1/(w_j − w_i) and 0 on the diagonal
        const Tensor gaps = w.unsqueeze(0) - w.unsqueeze(1),
                     own = detail::constant([&] { return eye(n, -1, kFloat32).to(kBool); });
        const Tensor none = gaps == 0;  // own, and pairs of equal values
        const Tensor f = where(none, 0.0, reciprocal(where(none, 1.0, gaps)));
        const Tensor of_vectors = matmul(v.t(), gv);
        // Vectors of equal values have no derivative: infinite, unless nobody asks for it.
        const Tensor lost = where(own, false, none),
                     gone = where(of_vectors == 0, 0.0, of_vectors / where(lost, gaps, 1.0));
        const Tensor inner = where(lost, gone, f * of_vectors) + diag(gw);
        return Grads(symmetric(matmul(matmul(v, inner), v.t())));
      });
  return {both.select(0, n), both.narrow(0, 0, n)};
}

Tensor lstsq(const Tensor& a, const Tensor& b) {  // with s = (aᵀa)⁻¹g: gb = a·s, ga = r·sᵀ − a·s·xᵀ
  check_rows("lstsq", a, b);
  if (a.size(0) < a.size(1))
    fail<ShapeError>("lstsq", "got ", a.shape(), ", expected at least as many rows as columns");
  return record("lstsq", kernel::lstsq(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, const Tensor& x, Need need) {
                  const Tensor s = solve(matmul(a->t(), a), g), gb = matmul(a, s);
                  Tensor ga;
                  if (need[0])
                    ga = matmul(columns(b) - matmul(a, columns(x)), columns(s).t()) -
                         matmul(columns(gb), columns(x).t());
                  return Grads(ga, gb);
                });
}

}  // namespace descent
