// K-FAC: the curvature of an MLP in Kronecker factors, one pair for each Linear layer.
//
//   nn::Kfac k(model, x, [&](const Tensor& z) { return nn::cross_entropy(z, y); });
//   Tensor kv = k.matrix() * v;             // (n)
//   Tensor step = k.inverse(1e-3) * slope;  // (K + 1e-3·I)⁻¹·slope
//
// Legend: N samples; a layer's input h, output s = W·h + b; outputs z of the model; n weights.
#pragma once

#include <descent/autograd/curvature.h>
#include <descent/nn/module.h>

#include <functional>
#include <vector>

namespace descent::nn {

namespace detail {
struct Passed;
}

/// The block of one Linear layer: G·[W b]·A for a change [W b] of its weight and bias.
struct KroneckerFactors {
  Tensor a;  ///< (in + 1, in + 1): the mean of (h, 1)·(h, 1)ᵀ; (in, in) without a bias
  Tensor g;  ///< (out, out): the sum over samples of (∂z/∂s)ᵀ·H·(∂z/∂s), H the loss's Hessian by z
};

/// A block-diagonal approximation of the generalised Gauss–Newton matrix; Martens & Grosse 2015,
/// arXiv:1503.05671. The blocks are those of curvature::gauss_newton() where h and
/// (∂z/∂s)ᵀ·H·(∂z/∂s) are independent, as for one sample. Deviation from the paper: G is computed
/// exactly, with two backward passes for each output of the model, where the paper samples labels
/// from the model's distribution. For cross_entropy both have the same mean, the Fisher matrix.
class Kfac {
 public:
  /// loss(z) gives one element, to which each sample contributes by its own row of z alone. A layer
  /// is frozen as a whole or not at all. Throws ValueError unless the model is a Sequential of
  /// Linear layers and activations that share no parameter, and ShapeError for an x that is not (N,
  /// in) and for another loss.
  Kfac(Module& model, const Tensor& x, const std::function<Tensor(const Tensor& z)>& loss);

  /// The matrix K (n, n), over the parameters that require a gradient, in the model's order.
  curvature::Operator matrix() const;
  /// (K + damping·I)⁻¹, exactly, by the eigenvectors of the factors. Throws ValueError unless
  /// damping > 0.
  curvature::Operator inverse(double damping) const;
  /// The factors, one pair for each Linear layer.
  const std::vector<KroneckerFactors>& factors() const { return factors_; }

 private:
  void place(const Module& model, const std::vector<detail::Passed>& passed);
  curvature::Operator with(std::function<Tensor(std::size_t layer, const Tensor& w)> block) const;
  std::vector<KroneckerFactors> factors_;
  std::vector<std::int64_t> begins_;  // of each layer among the n weights; −1: frozen
  std::vector<bool> biased_;
  std::int64_t n_ = 0;
  DType dtype_ = kFloat32;
};

}  // namespace descent::nn
