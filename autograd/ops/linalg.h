// Linear algebra of matrices, by LAPACK. Floats are computed in double and rounded once.
// Every function can be differentiated to any order. Throws GraphError inside compile().
// Legend: (n, n) a square matrix, (m, n) one of m rows.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// The x with a·x = b: a (n, n), b (n) or (n, k) → b's shape. By an LU decomposition with pivoting.
/// Throws ShapeError for other shapes, and ValueError for a singular a.
Tensor solve(const Tensor& a, const Tensor& b);
/// a⁻¹ (n, n). Throws as solve(). To solve a system use solve(), which is faster and more precise.
Tensor inverse(const Tensor& a);
/// The determinant of a (n, n): (). 0 for a singular a, whose gradient is not known: it throws
/// ValueError.
Tensor det(const Tensor& a);
/// The lower triangular l with l·lᵀ = a, for a symmetric positive definite a (n, n). Only the lower
/// triangle of a is read, and the gradient is symmetric, as if a were (a + aᵀ)/2: gradcheck wants a
/// function that makes it so. Throws ValueError if a is not positive definite.
Tensor cholesky(const Tensor& a);
/// What eigh() gives.
struct Eigenpairs {
  Tensor values;   ///< (n), rising
  Tensor vectors;  ///< (n, n), one a column, of length 1; the sign of each is arbitrary
};
/// The eigenvalues and eigenvectors of a symmetric a (n, n). Only the lower triangle of a is read,
/// and the gradient is symmetric. Where two eigenvalues are equal, the gradient through the vectors
/// is not finite.
///
///   auto [values, vectors] = eigh(a);
Eigenpairs eigh(const Tensor& a);
/// The x with the smallest ‖a·x − b‖²: a (m, n) with m ≥ n, b (m) or (m, k) → (n) or (n, k). By a
/// QR decomposition. Throws ShapeError for other shapes, and ValueError if the columns of a depend
/// on each other.
Tensor lstsq(const Tensor& a, const Tensor& b);

}  // namespace descent
