// Embedding: a table of vectors, one for each number.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// Picks a row of the table for each index: int64 (…) → (…, dim). Throws ValueError for an index
/// outside [0, count), DTypeError for anything but int64.
class Embedding : public Module {
 public:
  /// Throws ValueError for an extent below 1.
  Embedding(std::int64_t count, std::int64_t dim);
  Tensor forward(const Tensor& index) override;

  Tensor weight;  ///< (count, dim); starts standard normal
};

}  // namespace descent::nn
