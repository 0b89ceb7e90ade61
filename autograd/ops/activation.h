// Activations: the functions between the layers of a network.
// The rules for shapes, types and errors stand in <descent/autograd/ops.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// @name Activations
/// These work element by element. The result has x's shape. Integers become float32.
/// @{
Tensor relu(const Tensor& x);      ///< max(x, 0); gradient 0 at 0
Tensor tanh(const Tensor& x);      ///< (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)
Tensor sigmoid(const Tensor& x);   ///< 1/(1 + e⁻ˣ)
Tensor silu(const Tensor& x);      ///< x·sigmoid(x); Elfwing et al. 2017, arXiv:1702.03118
Tensor softplus(const Tensor& x);  ///< log(1 + eˣ), without overflow
/// x for x > 0, else negative_slope·x.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x for x > 0, else alpha·(eˣ − 1). Clevert et al. 2015, arXiv:1511.07289.
Tensor elu(const Tensor& x, double alpha = 1.0);
/// @}

/// The two forms of gelu().
enum class GeluForm {
  exact,  ///< x·Φ(x), with Φ the normal distribution
  tanh    ///< x/2 · (1 + tanh(√(2/π)(x + 0.044715x³))), which approximates the exact form
};
/// Gaussian error linear unit, element by element. Hendrycks & Gimpel 2016, arXiv:1606.08415.
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::exact);

/// @name Softmax
/// These work along dimension dim. The result has x's shape. First the maximum along dim is
/// subtracted from x, so that nothing overflows. Integers become float32.
/// @{
Tensor softmax(const Tensor& x, std::int64_t dim);      ///< eˣ / Σ eˣ
Tensor log_softmax(const Tensor& x, std::int64_t dim);  ///< x − log Σ eˣ
/// @}

}  // namespace descent
