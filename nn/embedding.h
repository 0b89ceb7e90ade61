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

  Param weight;  ///< (count, dim); starts standard normal
};

/// A column of the input that holds the numbers of words.
struct EmbeddedColumn {
  std::int64_t place = 0;  ///< which column
  std::int64_t count = 1;  ///< how many numbers there are: 0 to count − 1
  std::int64_t dim = 8;    ///< the length of the vector that stands for a number
  friend bool operator==(const EmbeddedColumn&, const EmbeddedColumn&) = default;
};

/// Replaces columns of numbers by vectors: (N, D) → (N, D − columns + sum of dims). The vectors of
/// all columns stand behind the other columns. Guo & Berkhahn 2016, arXiv:1604.06737. The vectors
/// start normal with deviation 0.1, so that rare words say little. Throws ShapeError if a place is
/// not in x, ValueError for a number outside [0, count).
class EmbeddedColumns : public Module {
 public:
  /// Throws ValueError for an extent below 1, and for places that do not rise.
  explicit EmbeddedColumns(std::vector<EmbeddedColumn> columns);
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<EmbeddedColumn> columns_;
  std::vector<Embedding> tables_;  // registered as "0", "1", …
};

}  // namespace descent::nn
