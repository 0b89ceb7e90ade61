// Eigen and Descent over the same memory, both ways, without a copy. Optional: descent.h does not
// include this header, which needs Eigen.
//
//   auto m = map_eigen<double>(t);        // an Eigen::Map over a tensor
//   Tensor t = map_tensor(eigen_matrix);  // a tensor over an Eigen matrix
//
// A map keeps the tensor's memory. A tensor does not keep the matrix: it must not outlive the
// matrix, nor be used after the matrix was resized. The address sanitizer reports where that
// happens.
#pragma once

#include <descent/core/create.h>
#include <descent/core/tensor.h>

#include <Eigen/Core>

namespace descent {

/// An Eigen::Map that keeps the tensor's memory for as long as the map lives.
template <class T>
class EigenMap
    : public Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                        Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> {
 public:
  using Base = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                          Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
  /// Over the memory of `owner`.
  EigenMap(const Base& map, Tensor owner) : Base(map), owner_(std::move(owner)) {}
  using Base::operator=;

 private:
  Tensor owner_;
};

/// The elements of a matrix (n, m), or of a vector (n) as a column. T is the tensor's exact type.
/// Throws ShapeError for more dimensions, DTypeError for another type.
template <class T>
EigenMap<T> map_eigen(const Tensor& t) {
  if (t.dim() < 1 || t.dim() > 2)
    fail<ShapeError>("map_eigen", "got ", t.shape(), ", expected a vector or a matrix");
  const bool vector = t.dim() == 1;
  return {typename EigenMap<T>::Base(t.data_ptr<T>(), t.size(0), vector ? 1 : t.size(1),
                                     {t.strides()[0], vector ? 1 : t.strides()[1]}),
          t};
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
