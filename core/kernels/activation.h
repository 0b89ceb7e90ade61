// The values of activations, and the gradients that a kernel computes in one pass. All work element
// by element, and integers become float32.
//
// To add an activation, write its value and its gradient side by side in activation.cpp. Write its
// rule in autograd/ops/activation.cpp: the rule chooses between the one-pass gradient and
// differentiable operators.
#pragma once

#include <descent/core/activation.h>
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
/// The gradient of x. g is the gradient of the output. The second argument is the output y or the
/// input x, as its name says.
/// @{
Tensor relu_grad(const Tensor& g, const Tensor& y);
Tensor tanh_grad(const Tensor& g, const Tensor& y);
Tensor sigmoid_grad(const Tensor& g, const Tensor& y);
Tensor silu_grad(const Tensor& g, const Tensor& x);
Tensor gelu_grad(const Tensor& g, const Tensor& x);
/// For the activation that is named; g itself for none.
Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y);
/// The same for n elements on the calling thread; writes nothing for none.
template <class T>
void activation_grad(Activation activation, std::int64_t n, const T* g, const T* y, T* to);
/// @}

}  // namespace descent::kernel
