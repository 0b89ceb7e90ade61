#include <descent/core/create.h>
#include <descent/core/kernels/blas.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/launch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

extern "C" {
void dsyev_(const char* job, const char* half, const int* n, double* a, const int* lda, double* w,
            double* work, const int* length, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work,
             const int* length, int* info);
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* pivots, int* info);
void dgetrs_(const char* transposed, const int* n, const int* columns, const double* a,
             const int* lda, const int* pivots, double* b, const int* ldb, int* info);
void dpotrf_(const char* half, const int* n, double* a, const int* lda, int* info);
void dtrtrs_(const char* half, const char* transposed, const char* unit, const int* n,
             const int* columns, const double* a, const int* lda, double* b, const int* ldb,
             int* info);
void dormqr_(const char* side, const char* transposed, const int* m, const int* n, const int* k,
             const double* a, const int* lda, const double* tau, double* c, const int* ldc,
             double* work, const int* length, int* info);
void dgelsd_(const int* m, const int* n, const int* columns, double* a, const int* lda, double* b,
             const int* ldb, double* values, const double* tolerance, int* rank, double* work,
             const int* length, int* integers, int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau,
             double* work, const int* length, int* info);
}

namespace descent::kernel {
namespace {

/// The size of a square matrix.
int side(const char* op, const Tensor& a) {
  detail::check_may_read(op);
  if (a.dim() != 2 || a.size(0) != a.size(1))
    fail<ShapeError>(op, "got ", a.shape(), ", expected a square matrix");
  return static_cast<int>(a.size(0));
}

}  // namespace

Eigen eigh(const Tensor& a) {
  const int n = side("eigh", a);
  const Tensor vectors = clone(contiguous(cast(a, kFloat64)));  // LAPACK replaces it, row by row
  const Tensor values = empty({n}, kFloat64);
  if (n > 0) {
    const SingleThreadedBlas single;
    const int length = 34 * n;  // room for blocks of 32 columns
    const Tensor work = empty({length}, kFloat64);
    int info = 0;
    // Row-major and symmetric: LAPACK's upper triangle is our lower one.
    dsyev_("V", "U", &n, vectors.data_ptr<double>(), &n, values.data_ptr<double>(),
           work.data_ptr<double>(), &length, &info);
    if (info != 0)
      fail<NonFiniteError>("eigh", "got a matrix of shape ", a.shape(),
                           " whose eigenvectors LAPACK did not find (info ", info,
                           "), expected finite numbers");
  }
  return {cast(values, a.dtype()),
          cast(contiguous(view_of(vectors, {n, n}, {1, n}, 0)), a.dtype())};
}

Tensor orthonormal(const Tensor& a) {
  const int n = side("orthonormal", a);
  // LAPACK works on columns: a row-major copy of the transpose.
  const Tensor q =
      clone(contiguous(cast(view_of(a, {n, n}, {a.strides()[1], a.strides()[0]}, 0), kFloat64)));
  if (n > 0) {
    const SingleThreadedBlas single;
    const int length = 32 * n;
    const Tensor tau = empty({n}, kFloat64), work = empty({length}, kFloat64);
    int info = 0;  // only wrong arguments cause an error
    double *columns = q.data_ptr<double>(), *reflections = tau.data_ptr<double>();
    dgeqrf_(&n, &n, columns, &n, reflections, work.data_ptr<double>(), &length, &info);
    dorgqr_(&n, &n, &n, columns, &n, reflections, work.data_ptr<double>(), &length, &info);
  }
  return cast(contiguous(view_of(q, {n, n}, {1, n}, 0)), a.dtype());
}

Tensor vectors_and_values(const Tensor& a) {
  const Eigen e = eigh(a);
  const std::int64_t n = a.size(0);
  const Tensor both = empty({n + 1, n}, a.dtype());
  copy(e.vectors, view_of(both, {n, n}, {n, 1}, 0));
  copy(e.values, view_of(both, {n}, {1}, n * n));
  return both;
}

namespace {

/// A copy in double whose columns lie one behind the other, as LAPACK wants them: (k, n) for a
/// matrix (n, k), or (1, n) for a vector.
Tensor by_columns(const char* op, const Tensor& a) {
  detail::check_may_read(op);
  const Tensor wide = cast(a, kFloat64);
  const std::int64_t rows = a.shape()[0], columns = a.dim() == 1 ? 1 : a.shape()[1];
  const Tensor turned =
      view_of(wide, {columns, rows}, {a.dim() == 1 ? 1 : wide.strides()[1], wide.strides()[0]}, 0);
  return clone(contiguous(turned));
}

/// The way back: the first `rows` rows, in the type of `like` and of its dimensions.
Tensor from_columns(const Tensor& columns, std::int64_t rows, const Tensor& like) {
  const std::int64_t all = columns.shape()[1], k = columns.shape()[0];
  const Tensor turned =
      like.dim() == 1 ? view_of(columns, {rows}, {1}, 0) : view_of(columns, {rows, k}, {1, all}, 0);
  return cast(contiguous(turned), is_floating(like.dtype()) ? like.dtype() : kFloat32);
}

DType result_type(const Tensor& a, const Tensor& b) {
  return promote_to_floating(promote(a.dtype(), b.dtype()));
}

/// An LU decomposition with pivoting. Returns LAPACK's info: 0, or the place of a pivot that is 0.
int decompose(const Tensor& columns, std::vector<int>& pivots) {
  const int n = static_cast<int>(columns.shape()[0]);
  int info = 0;
  pivots.resize(static_cast<std::size_t>(n));
  if (n > 0) {
    const SingleThreadedBlas single;
    dgetrf_(&n, &n, columns.data_ptr<double>(), &n, pivots.data(), &info);
  }
  return info;
}

}  // namespace

Tensor solve(const Tensor& a, const Tensor& b) {
  const Tensor lu = by_columns("solve", a), x = by_columns("solve", b);
  const int n = static_cast<int>(a.shape()[0]), k = static_cast<int>(x.shape()[0]);
  std::vector<int> pivots;
  if (int info = decompose(lu, pivots); info > 0)
    fail<ValueError>("solve", "got a singular matrix of shape ", a.shape(),
                     ", expected one with an inverse. Hint: lstsq() finds the nearest, or add a "
                     "multiple of eye()");
  if (n > 0 && k > 0) {
    const SingleThreadedBlas single;
    int info = 0;
    dgetrs_("N", &n, &k, lu.data_ptr<double>(), &n, pivots.data(), x.data_ptr<double>(), &n, &info);
  }
  return cast(from_columns(x, n, b), result_type(a, b));
}

Tensor det(const Tensor& a) {
  const Tensor lu = by_columns("det", a);
  std::vector<int> pivots;
  decompose(lu, pivots);
  const auto n = static_cast<std::int64_t>(pivots.size());
  double product = 1;
  for (std::int64_t i = 0; i < n; ++i)
    product *=
        lu.data_ptr<double>()[i * n + i] * (pivots[static_cast<std::size_t>(i)] == i + 1 ? 1 : -1);
  return full({}, product, promote_to_floating(a.dtype()));
}

Tensor cholesky(const Tensor& a) {
  const Tensor l = by_columns("cholesky", a);
  const int n = static_cast<int>(a.shape()[0]);
  int info = 0;
  if (n > 0) {
    const SingleThreadedBlas single;
    dpotrf_("L", &n, l.data_ptr<double>(), &n, &info);
  }
  if (info != 0)
    fail<ValueError>("cholesky", "got a matrix of shape ", a.shape(), " whose leading block of ",
                     info,
                     " rows is not positive definite, expected a positive definite one. Hint: "
                     "add a small multiple of eye()");
  double* const p = l.data_ptr<double>();
  for (int column = 1; column < n; ++column)  // above the diagonal LAPACK leaves what was there
    for (int row = 0; row < column; ++row) p[column * n + row] = 0;
  return from_columns(l, n, a);
}

QR::QR(const Tensor& a) : columns_(by_columns("qr", a)), tau_(empty({a.shape()[1]}, kFloat64)) {
  const int m = static_cast<int>(a.shape()[0]), n = static_cast<int>(a.shape()[1]),
            length = 32 * n + 1;
  if (n == 0) return;
  const SingleThreadedBlas single;
  const Tensor work = empty({length}, kFloat64);
  int info = 0;  // only wrong arguments cause an error
  dgeqrf_(&m, &n, columns_.data_ptr<double>(), &m, tau_.data_ptr<double>(), work.data_ptr<double>(),
          &length, &info);
}

double QR::diagonal(std::int64_t i) const {
  return std::fabs(columns_.data_ptr<double>()[i * columns_.shape()[1] + i]);
}

Tensor QR::solve(const Tensor& b) const {
  return from_columns(solve_columns(b), columns_.shape()[0], b);
}

Tensor QR::shortest(const Tensor& b) const {
  const int m = static_cast<int>(columns_.shape()[1]), n = static_cast<int>(columns_.shape()[0]),
            one = 1, length = 32 * n + 1;
  const Tensor x = zeros({1, m}, kFloat64), work = empty({length}, kFloat64);
  if (n == 0) return view_of(x, {m}, {1}, 0);
  copy(cast(contiguous(b), kFloat64), view_of(x, {n}, {1}, 0));
  const SingleThreadedBlas single;
  int info = 0;
  const double *r = columns_.data_ptr<double>(), *reflections = tau_.data_ptr<double>();
  dtrtrs_("U", "T", "N", &n, &one, r, &m, x.data_ptr<double>(), &m, &info);
  dormqr_("L", "N", &m, &one, &n, r, &m, reflections, x.data_ptr<double>(), &m,
          work.data_ptr<double>(), &length, &info);
  return view_of(x, {m}, {1}, 0);
}

/// The solution for each column of b, in the first n numbers of each row of the result.
Tensor QR::solve_columns(const Tensor& b) const {
  const Tensor x = by_columns("qr", b);
  const int m = static_cast<int>(columns_.shape()[1]), n = static_cast<int>(columns_.shape()[0]),
            k = static_cast<int>(x.shape()[0]), length = 32 * std::max(n, k) + 1;
  if (n == 0) return x;
  const SingleThreadedBlas single;
  const Tensor work = empty({length}, kFloat64);
  int info = 0;
  dormqr_("L", "T", &m, &k, &n, columns_.data_ptr<double>(), &m, tau_.data_ptr<double>(),
          x.data_ptr<double>(), &m, work.data_ptr<double>(), &length, &info);
  dtrtrs_("U", "N", "N", &n, &k, columns_.data_ptr<double>(), &m, x.data_ptr<double>(), &m, &info);
  return x;
}

Tensor lstsq(const Tensor& a, const Tensor& b) {
  const QR qr(a);
  const std::int64_t m = a.shape()[0], n = a.shape()[1];
  double most = 0, least = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < n; ++i) {
    most = std::max(most, qr.diagonal(i));
    least = std::min(least, qr.diagonal(i));
  }
  if (!(least > most * static_cast<double>(m) * std::numeric_limits<double>::epsilon()))
    fail<ValueError>("lstsq", "got a matrix of shape ", a.shape(),
                     " whose columns depend on each other, expected independent ones. Hint: leave "
                     "one out, or add rows of a small multiple of eye()");
  return cast(from_columns(qr.solve_columns(b), n, b), result_type(a, b));
}

Tensor shortest(const Tensor& a, const Tensor& b, double tolerance, int& rank) {
  const Tensor columns = by_columns("shortest", a);
  const int m = static_cast<int>(a.shape()[0]), n = static_cast<int>(a.shape()[1]), one = 1,
            longest = std::max(m, n);
  const Tensor x = zeros({1, longest}, kFloat64), values = empty({std::min(m, n)}, kFloat64);
  copy(cast(contiguous(b), kFloat64), view_of(x, {m}, {1}, 0));
  const SingleThreadedBlas single;
  int info = 0, length = -1, integers = 0;
  rank = 0;
  double size = 0;
  const auto call = [&](double* work, int* more) {
    dgelsd_(&m, &n, &one, columns.data_ptr<double>(), &m, x.data_ptr<double>(), &longest,
            values.data_ptr<double>(), &tolerance, &rank, work, &length, more, &info);
  };
  call(&size, &integers);  // asks for the room that it takes
  length = static_cast<int>(size);
  const Tensor work = empty({length}, kFloat64);
  std::vector<int> more(static_cast<std::size_t>(integers));
  call(work.data_ptr<double>(), more.data());
  if (info != 0)
    fail<NonFiniteError>("shortest", "got a matrix of shape ", a.shape(),
                         " whose singular values LAPACK did not find (info ", info,
                         "), expected finite numbers");
  return contiguous(view_of(x, {n}, {1}, 0));
}

}  // namespace descent::kernel
