#include <descent/core/create.h>
#include <descent/core/kernels/blas.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/eigen.h>
#include <descent/core/launch.h>

extern "C" {
void dsyev_(const char* job, const char* half, const int* n, double* a, const int* lda, double* w,
            double* work, const int* length, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work,
             const int* length, int* info);
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

}  // namespace descent::kernel
