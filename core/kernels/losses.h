// Losses in one pass over their operands, without gradients.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// What cross_entropy() computes, for its gradient.
struct CrossEntropy {
  Tensor loss;           // ()
  Tensor probabilities;  // (N, C), softmax of the logits
  Tensor share;          // (), the weight of a row: 1, or 1/(rows that count) for a mean
};
/// The mean (or sum) over rows of −log softmax(logits)[label]: logits (N, C), labels int64 (N)
/// contiguous. A row whose label is `ignore` does not count. Throws ValueError for a label out of
/// range.
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& labels, std::int64_t ignore,
                           bool mean);
/// The gradient of the logits: (probabilities − one-hot)·share·g, and 0 in ignored rows.
Tensor cross_entropy_grad(const Tensor& g, const CrossEntropy& forward, const Tensor& labels,
                          std::int64_t ignore);

/// scale · Σ (x − t)²: (…), (…) → ().
Tensor squared_error(const Tensor& x, const Tensor& t, double scale);
/// The gradient of x: g · 2·scale·(x − t).
Tensor squared_error_grad(const Tensor& g, const Tensor& x, const Tensor& t, double scale);

/// scale · Σ −t·log σ(x) − (1 − t)·log(1 − σ(x)): (…), (…) → ().
Tensor logistic_loss(const Tensor& x, const Tensor& t, double scale);
/// The gradient of x: g · scale·(σ(x) − t).
Tensor logistic_loss_grad(const Tensor& g, const Tensor& x, const Tensor& t, double scale);

}  // namespace descent::kernel
