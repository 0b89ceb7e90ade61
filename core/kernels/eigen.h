// Eigenvectors of symmetric matrices, and orthonormal columns, by LAPACK.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// The eigenvalues and eigenvectors of a matrix.
struct Eigen {
  Tensor values;   // (n), rising
  Tensor vectors;  // (n, n), one a column; the sign of each is arbitrary
};

/// The eigenvectors of a symmetric float matrix (n, n), computed in double. Only the lower triangle
/// is read. Throws ShapeError unless a is square, NonFiniteError if LAPACK finds no result.
Eigen eigh(const Tensor& a);

/// The matrix Q of the decomposition a = QR, for a square float matrix a (n, n). The columns of Q
/// are orthonormal, and for each k the first k columns of Q span the first k columns of a. Q is
/// computed in double, by Householder's reflections. LAPACK chooses the sign of each column. Throws
/// ShapeError unless a is square.
Tensor orthonormal(const Tensor& a);

}  // namespace descent::kernel
