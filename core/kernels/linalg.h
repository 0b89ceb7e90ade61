// Linear algebra by LAPACK, computed in double: systems, determinants, Cholesky's triangle, least
// squares, eigenvectors of symmetric matrices, orthonormal columns. Throws GraphError inside
// compile(). The callers have checked shapes, unless a comment says so.
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

/// The eigenvectors of a symmetric matrix (n, n), one a column, and below them a row with the
/// eigenvalues: (n + 1, n).
Tensor vectors_and_values(const Tensor& a);

/// a⁻¹·b for a (n, n) and b (n) or (n, k). Throws ValueError for a singular a.
Tensor solve(const Tensor& a, const Tensor& b);
/// The determinant of a (n, n): ().
Tensor det(const Tensor& a);
/// The lower triangular l with l·lᵀ = a (n, n). Throws ValueError unless a is positive definite.
Tensor cholesky(const Tensor& a);
/// The x with the smallest ‖a·x − b‖², a (m, n), m ≥ n. Throws ValueError if a's columns depend on
/// each other.
Tensor lstsq(const Tensor& a, const Tensor& b);

/// The decomposition a = QR of a matrix (m, n), m ≥ n, in double, by Householder's reflections.
class QR {
 public:
  explicit QR(const Tensor& a);
  /// The x with the smallest ‖a·x − b‖², for b (m): (n). Without a check of R: if a's columns
  /// depend on each other, x is large, infinite or NaN.
  Tensor solve(const Tensor& b) const;
  /// The shortest x with aᵀ·x = b, for b (n): (m). Without a check of R, as solve().
  Tensor shortest(const Tensor& b) const;
  /// |R| at row and column i.
  double diagonal(std::int64_t i) const;

 private:
  friend Tensor lstsq(const Tensor& a, const Tensor& b);
  Tensor solve_columns(const Tensor& b) const;
  Tensor columns_, tau_;
};

/// The shortest x of those with the smallest ‖a·x − b‖², a (m, n), b (m): (n) in double. Singular
/// values below `tolerance` times the largest count as 0; `rank` gets the number of the others.
Tensor shortest(const Tensor& a, const Tensor& b, double tolerance, int& rank);

}  // namespace descent::kernel
