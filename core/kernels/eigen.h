// Eigenvectors of symmetric matrices, and orthonormal columns, by LAPACK.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

struct Eigen {
  Tensor values;   // (n), rising
  Tensor vectors;  // (n, n), one a column; the sign of each is arbitrary
};

/// Of a symmetric (n, n) float matrix, computed in double; only the lower triangle is read. Throws
/// ShapeError, and NonFiniteError where LAPACK gives up.
Eigen eigh(const Tensor& a);

/// Q of a = QR for a square float matrix: orthonormal columns, the first k of which span the first
/// k of a. Computed in double, by Householder's reflections; the sign of each column is LAPACK's.
/// Throws ShapeError.
Tensor orthonormal(const Tensor& a);

}  // namespace descent::kernel
