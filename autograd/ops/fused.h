// Fused operators, for layers and losses: each does in one pass what several operators do one after
// the other. A fused operator can be differentiated to any order. Its values differ from the values
// of the separate operators only by rounding.
// Legend: N batch, C classes, … any shape.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent {

/// activation(linear(x, w, bias)); shapes and errors as in linear().
Tensor linear_activation(const Tensor& x, const Tensor& w, const Tensor& bias,
                         Activation activation);
/// The gradient of an activation's input, from the gradient g of its output y.
Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y);

/// The mean (or sum) over rows of −log softmax(logits)[label]: logits (N, C), labels int64 (N) →
/// (). A row whose label is `ignore_index` does not count. The caller has checked shapes and types.
/// Throws ValueError for a label out of range.
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels, std::int64_t ignore_index,
                             bool mean);

/// The mean (or sum) of (x − t)²: (…), (…) → (), of one floating type. The caller has checked
/// shapes and types.
Tensor squared_error(const Tensor& x, const Tensor& t, bool mean);
/// The mean (or sum) of −t·log σ(x) − (1 − t)·log(1 − σ(x)). Shapes and types are as in
/// squared_error().
Tensor logistic_loss(const Tensor& x, const Tensor& t, bool mean);

/// The result of normalize().
struct Normalized {
  Tensor value;      ///< in x's shape and type
  Tensor mean;       ///< float64, without a history, with 1 in place of the reduced dimensions
  Tensor deviation;  ///< the root of the biased variance, likewise
};
/// (x − mean)/√(variance + eps), with mean and biased variance over dims. x has a floating type.
/// Statistics are computed in double, so that no square of a float overflows.
Normalized normalize(const Tensor& x, const Dims& dims, double eps);

/// −t·log p − (1 − t)·log(1 − p), element by element: (…), (…) → (…). As in PyTorch, a logarithm
/// below −100 counts as −100. In the gradient (p − t)/(p(1 − p)), a denominator below 1e-12 counts
/// as 1e-12.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& t);

}  // namespace descent
