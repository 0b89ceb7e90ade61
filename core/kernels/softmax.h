// Softmax along a dimension, and its gradient. Shapes and errors are those of
// <descent/autograd/ops/activation.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

Tensor softmax(const Tensor& x, std::int64_t dim);  ///< shifted by the row's maximum
Tensor log_softmax(const Tensor& x, std::int64_t dim);

/// @name Gradients in one pass
/// The gradient of x, for a softmax along the last dimension. g is the gradient of the output y.
/// @{
Tensor softmax_grad(const Tensor& g, const Tensor& y);      // y·(g − Σ g·y)
Tensor log_softmax_grad(const Tensor& g, const Tensor& y);  // g − eʸ·Σ g
/// @}

}  // namespace descent::kernel
