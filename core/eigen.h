// Eigen and Descent over the same memory, both ways, without a copy. Optional: descent.h does not
// include this header, which needs Eigen.
//
//   auto m = map_eigen<double>(t);        // an Eigen::Map over a tensor
//   Tensor t = map_tensor(eigen_matrix);  // a tensor over an Eigen matrix
//
// Each is valid as long as the other side keeps its memory: a tensor over a matrix must not outlive
// the matrix, nor be used after the matrix was resized.
#pragma once

#include <descent/core/create.h>
#include <descent/core/tensor.h>

#include <Eigen/Core>

namespace descent {

/// The elements of a matrix (n, m), or of a vector (n) as a column. T is the tensor's exact type.
/// Throws ShapeError for more dimensions, DTypeError for another type.
template <class T>
auto map_eigen(const Tensor& t) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  if (t.dim() < 1 || t.dim() > 2)
    fail<ShapeError>("map_eigen", "got ", t.shape(), ", expected a vector or a matrix");
  const bool vector = t.dim() == 1;
  return Eigen::Map<Matrix, Eigen::Unaligned, Stride>(
      t.data_ptr<T>(), t.size(0), vector ? 1 : t.size(1),
      Stride(t.strides()[0], vector ? 1 : t.strides()[1]));
}

/// A tensor (n, m) over a matrix of float, double, std::int64_t or bool, row by row or column by
/// column; a vector gives (n).
template <class T, int rows, int columns, int options, int most_rows, int most_columns>
Tensor map_tensor(Eigen::Matrix<T, rows, columns, options, most_rows, most_columns>& m) {
  if constexpr (rows == 1 || columns == 1) return from_blob(m.data(), {m.size()});
  if (options & Eigen::RowMajor) return from_blob(m.data(), {m.rows(), m.cols()});
  return from_blob(m.data(), {m.cols(), m.rows()}).t();
}

/// A copy of any Eigen expression, as a tensor (n, m).
template <class Derived>
Tensor to_tensor(const Eigen::DenseBase<Derived>& expression) {
  using T = typename Derived::Scalar;
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> values = expression;
  return from_blob(values.data(), {values.rows(), values.cols()}).clone();
}

}  // namespace descent
