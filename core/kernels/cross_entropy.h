// Softmax and cross-entropy in one pass over the logits, without gradients.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

struct CrossEntropy {
  double sum;            // of the rows' losses
  std::int64_t rows;     // that count
  Tensor probabilities;  // (N, C), softmax of the logits
};

/// logits (N, C), labels int64 (N) contiguous and in range or equal to `ignore`.
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& labels, std::int64_t ignore);
/// (probabilities − one-hot)·scale, and 0 in ignored rows.
Tensor cross_entropy_grad(const Tensor& probabilities, const Tensor& labels, std::int64_t ignore,
                          double scale);

}  // namespace descent::kernel
