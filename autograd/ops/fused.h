// Operators that do in one pass what a composition of others does, for layers and losses.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent {

/// activation(linear(x, w, bias)).
Tensor linear_activation(const Tensor& x, const Tensor& w, const Tensor& bias,
                         Activation activation);
/// The gradient of an activation's input from that of its output y.
Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y);

/// The mean (or sum) over rows of −log softmax(logits)[label]: logits (N, C), labels int64 (N),
/// checked by the caller; rows whose label is `ignore_index` count for nothing.
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels, std::int64_t ignore_index,
                             bool mean);

/// The mean or sum of (x − t)²; equal shapes and floating types.
Tensor squared_error(const Tensor& x, const Tensor& t, bool mean);
/// The mean or sum of −t·log σ(x) − (1 − t)·log(1 − σ(x)); equal shapes and floating types.
Tensor logistic_loss(const Tensor& x, const Tensor& t, bool mean);

/// −t·log p − (1 − t)·log(1 − p), element by element, the logarithms limited to −100 and the
/// denominator of the gradient (p − t)/(p(1 − p)) to 1e-12, as in PyTorch.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& t);

}  // namespace descent
