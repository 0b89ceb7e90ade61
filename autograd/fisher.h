// Internal. What K-FAC sees of a backward pass: the losses give a column of their curvature in
// place of their gradient, and the Linear layers report what they took and what came back.
//
// Let H be the Hessian of the loss by its input z, and H = Σ_c b_c·b_cᵀ for each sample, with as
// many columns b_c as a sample has outputs. In the pass of column c, a loss passes b_c back. For a
// layer with the output s = W·h + b this gives (∂z/∂s)ᵀ·b_c, and the sum of the squares over all c
// is (∂z/∂s)ᵀ·H·(∂z/∂s). For the losses below H is the Fisher matrix of the model's own
// distribution; it does not depend on the targets.
//
//   FisherPass pass{.parameters = all};
//   const FisherGuard guard(pass);
//   closure();  // pass.layers has the layers; pass.columns says how many passes there are
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/tensor.h>
#include <descent/core/thread_state.h>

#include <vector>

namespace descent::detail {

struct FisherPass {
  /// A use of linear(): its weight and bias, its input h (N, in), and the gradient of s (N, out).
  struct Layer {
    Tensor weight, bias, input, by_output;
  };
  const Parameters& parameters;    ///< those of the optimizer
  std::int64_t column = 0;         ///< c
  std::int64_t columns = 0;        ///< how many columns the loss has; 0 before a loss was met
  std::vector<Layer> layers = {};  ///< in the order of the backward pass

  /// True if the leaf is one of the parameters.
  bool owns(const GradEdge& leaf) const;
  /// The column of a loss whose Hessian by z (N) or (N, C) is diagonal: `root`, of z's shape, is
  /// the root of that diagonal. Throws ValueError if a second loss is met, or for another shape.
  Tensor of_diagonal(const char* loss, const Tensor& root);
  /// The column of cross-entropy: √(p_c·share)·(e_c − p) for probabilities p (N, C), and 0 in the
  /// rows (N) that are ignored. Throws ValueError if a second loss is met.
  Tensor of_softmax(const char* loss, const Tensor& p, const Tensor& share, const Tensor& ignored);

 private:
  void meet(const char* loss, const Tensor& z);
};

/// While it lives, backward passes on its thread fill `pass`, which must outlive the guard. Of all
/// leaves, only pass.parameters get gradients. These gradients mean nothing.
struct FisherGuard : ModeGuard<FisherPass*> {
  explicit FisherGuard(FisherPass& pass) noexcept : ModeGuard(t_fisher, &pass) {}
};
/// The pass that is under way on this thread, or null.
inline FisherPass* fisher_pass() noexcept { return t_fisher; }

}  // namespace descent::detail
