// Eigenvectors of symmetric matrices, by LAPACK.
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

}  // namespace descent::kernel
