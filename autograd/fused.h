// Operators that do in one pass what a composition of others does, for losses.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// The mean (or sum) over rows of −log softmax(logits)[label]: logits (N, C), labels int64 (N),
/// checked by the caller; rows whose label is `ignore_index` count for nothing.
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels, std::int64_t ignore_index,
                             bool mean);

/// −t·log p − (1 − t)·log(1 − p), element by element, the logarithms limited to −100 and the
/// denominator of the gradient (p − t)/(p(1 − p)) to 1e-12, as in PyTorch.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& t);

}  // namespace descent
