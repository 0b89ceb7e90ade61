// Activations, without gradients, and the gradients that one pass computes. Element by element;
// integers become float32.
//
// The next activation goes into activation.cpp: value and gradient side by side. Its rule, which
// chooses between the one-pass gradient and differentiable operators, goes into
// autograd/ops/activation.cpp.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// @name Values
/// @{
Tensor relu(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor gelu(const Tensor& x);
Tensor softplus(const Tensor& x);
Tensor elu(const Tensor& x, double alpha);
Tensor leaky_relu(const Tensor& x, double slope);
/// @}

/// @name Gradients in one pass
/// The gradient of x, from the gradient g of the output and, as named, the output y or x itself.
/// @{
Tensor relu_grad(const Tensor& g, const Tensor& y);
Tensor tanh_grad(const Tensor& g, const Tensor& y);
Tensor sigmoid_grad(const Tensor& g, const Tensor& y);
Tensor silu_grad(const Tensor& g, const Tensor& x);
Tensor gelu_grad(const Tensor& g, const Tensor& x);
/// @}

}  // namespace descent::kernel
