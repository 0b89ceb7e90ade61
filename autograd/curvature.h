// Curvature: matrices of second derivatives that are too large to write down, known by their
// products with vectors.
//
//   auto h = curvature::hessian(weights, [&] { return nn::cross_entropy(model(x), y); });
//   Tensor hv = h * v;                                 // (n)
//   double flatness = curvature::lanczos(h, 30).values.max().item();
//   double trace = curvature::hutchpp_trace(h, 60);
//
// An operator keeps the graph of the loss, at the weights as they were. If a weight changes in
// place while the operator is used, the next product throws GraphError or has no meaning. Random
// vectors come from the generator that is given, or from the calling thread's. Legend: n the number
// of weights; A an operator (n, n).
#pragma once

#include <descent/core/random.h>
#include <descent/core/tensor.h>

#include <functional>
#include <vector>

namespace descent::curvature {

/// A symmetric matrix (n, n) that is known by its products.
class Operator {
 public:
  /// `product` gives A·v for v (n).
  Operator(std::int64_t n, DType dtype, std::function<Tensor(const Tensor& v)> product)
      : n_(n), dtype_(dtype), product_(std::move(product)) {}
  /// A·v: (n) → (n). Throws ShapeError for another v.
  Tensor operator*(const Tensor& v) const;
  std::int64_t size() const { return n_; }  ///< n
  DType dtype() const { return dtype_; }    ///< of v and A·v
  /// The matrix (n, n), by n products.
  Tensor dense() const;

 private:
  std::int64_t n_;
  DType dtype_;
  std::function<Tensor(const Tensor&)> product_;
};

/// The Hessian of a loss with one element by the weights, which are counted one tensor after the
/// other. `loss` runs once. A product takes one backward pass. Throws ShapeError for another loss,
/// and GraphError for a weight that requires no gradient.
Operator hessian(const std::vector<Tensor>& weights, const std::function<Tensor()>& loss);

/// The generalised Gauss–Newton matrix Jᵀ·H·J: J the Jacobian of the outputs by the weights, H the
/// Hessian of the loss by the outputs; Schraudolph 2002. It has no negative eigenvalue if the loss
/// is convex in the outputs. For cross_entropy it is the Fisher matrix of the model's own
/// distribution, averaged over the samples. A product takes three backward passes.
/// Throws as hessian().
Operator gauss_newton(const std::vector<Tensor>& weights, const std::function<Tensor()>& outputs,
                      const std::function<Tensor(const Tensor& outputs)>& loss);

/// The empirical Fisher matrix GᵀG/N of the gradients of N samples, (N, n). See
/// nn::per_sample_grad().
Operator empirical_fisher(const Tensor& gradients);

/// The trace of A from `probes` products with random signs; Hutchinson 1989. Its standard deviation
/// is √(2/probes) times the norm of A beside its diagonal. Throws ValueError for probes < 1.
double hutchinson_trace(const Operator& a, std::int64_t probes,
                        Generator& generator = default_generator());
/// The trace of A from `products` products: exact on what A does to a random space, Hutchinson's
/// estimate on the rest; Meyer et al. 2021, arXiv:2010.09649. Its error falls like 1/products if
/// the eigenvalues have one sign. Throws ValueError for products < 3.
double hutchpp_trace(const Operator& a, std::int64_t products,
                     Generator& generator = default_generator());
/// The diagonal of A (n) from `probes` products; Bekas et al. 2007. Throws ValueError for
/// probes < 1.
Tensor hutchinson_diag(const Operator& a, std::int64_t probes,
                       Generator& generator = default_generator());

/// What lanczos() gives. The largest and the smallest value come near the extreme eigenvalues of A
/// first.
struct Ritz {
  Tensor values;   ///< (k) float64, rising
  Tensor weights;  ///< (k) float64: the share of the first vector in each, of sum 1
  Tensor vectors;  ///< (n, k), one a column, of length 1
};
/// k <= `steps` products from a random vector, with whole reorthogonalisation; Golub & Van Loan
/// 2013, ch. 10. k is smaller where the products span less. Throws ValueError for steps < 1.
Ritz lanczos(const Operator& a, std::int64_t steps, Generator& generator = default_generator());
/// The share of A's eigenvalues near each of `points` (k), as a density: Gaussians of deviation
/// `width` about Ritz values, averaged over `probes` runs of lanczos(); Ghorbani et al. 2019,
/// arXiv:1901.10159. Throws ValueError for a width of 0 or less or for probes < 1.
Tensor spectral_density(const Operator& a, const Tensor& points, double width,
                        std::int64_t probes = 10, std::int64_t steps = 40,
                        Generator& generator = default_generator());

/// How cg() ended.
struct Solution {
  Tensor x;                   ///< (n)
  std::int64_t products = 0;  ///< how many it took
  double residual = 0;        ///< ‖b − (A + damping·I)·x‖/‖b‖, as the recurrence has it
  bool is_indefinite = false;  ///< it ended at a direction of no positive curvature
};
/// The x with (A + damping·I)·x = b, by conjugate gradients: for positive definite matrices. Ends
/// at a residual below `tolerance`, after `most` products (0: n), or at a direction d with
/// dᵀ(A + damping·I)d <= 0, with the x before it. Throws ShapeError for a b that is not (n).
Solution cg(const Operator& a, const Tensor& b, double damping = 0, double tolerance = 1e-6,
            std::int64_t most = 0);

}  // namespace descent::curvature
