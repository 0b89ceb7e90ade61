// Every differentiable operator, as a free function. All broadcast by NumPy's rule, promote by the
// rule of <descent/core/dtype.h>, and can be differentiated to any order.
//
// Errors: ShapeError for shapes that do not fit, DTypeError for a wrong type, ValueError for a
// dimension or index out of range. What has no derivative (comparisons, argmax, sign) gives a
// tensor without a history, or gradient zero.
#pragma once

#include <descent/core/tensor.h>

#include <string_view>

namespace descent {

// ---- arithmetic ----
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);  ///< floating, also of integers
/// aᵇ. ∂/∂b is 0 where a = 0 and b >= 0.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& x);
/// The larger; equal elements share the gradient half and half. NaN when either is.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
/// a where the bool condition holds, else b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor where(const Tensor& condition, Scalar a, const Tensor& b);

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, Scalar b);
Tensor operator-(const Tensor& a, Scalar b);
Tensor operator*(const Tensor& a, Scalar b);
Tensor operator/(const Tensor& a, Scalar b);
Tensor operator+(Scalar a, const Tensor& b);
Tensor operator-(Scalar a, const Tensor& b);
Tensor operator*(Scalar a, const Tensor& b);
Tensor operator/(Scalar a, const Tensor& b);
Tensor operator-(const Tensor& x);
// In place, as add_ and its kin.
const Tensor& operator+=(const Tensor& a, const Tensor& b);
const Tensor& operator-=(const Tensor& a, const Tensor& b);
const Tensor& operator*=(const Tensor& a, const Tensor& b);
const Tensor& operator/=(const Tensor& a, const Tensor& b);
const Tensor& operator+=(const Tensor& a, Scalar b);
const Tensor& operator-=(const Tensor& a, Scalar b);
const Tensor& operator*=(const Tensor& a, Scalar b);
const Tensor& operator/=(const Tensor& a, Scalar b);
Tensor pow(const Tensor& a, Scalar b);
Tensor pow(Scalar a, const Tensor& b);
Tensor maximum(const Tensor& a, Scalar b);
Tensor minimum(const Tensor& a, Scalar b);

// ---- comparison: bool, no gradient ----
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, Scalar b);
Tensor operator!=(const Tensor& a, Scalar b);
Tensor operator<(const Tensor& a, Scalar b);
Tensor operator<=(const Tensor& a, Scalar b);
Tensor operator>(const Tensor& a, Scalar b);
Tensor operator>=(const Tensor& a, Scalar b);

// ---- functions of one variable ----
Tensor abs(const Tensor& x);  ///< gradient 0 at 0
Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);  ///< 1/√x
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor sign(const Tensor& x);  ///< gradient 0
/// Limits x; an absent limit is infinite. The gradient passes where low <= x <= high.
Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high = {});

// ---- activations ----
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);  ///< gradient 0 at 0
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
enum class GeluForm { exact, tanh };
/// x·Φ(x) (Hendrycks & Gimpel 2016, arXiv:1606.08415), or its approximation by tanh.
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::exact);
Tensor silu(const Tensor& x);      ///< x·sigmoid(x)
Tensor softplus(const Tensor& x);  ///< log(1 + eˣ), without overflow
Tensor softmax(const Tensor& x, std::int64_t dim);
Tensor log_softmax(const Tensor& x, std::int64_t dim);

// ---- reductions; dims empty means all ----
Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Σ(x − mean)² / (n − correction): 1 is the unbiased estimate, 0 the population's.
Tensor var(const Tensor& x, const Dims& dims = {}, std::int64_t correction = 1,
           bool keepdim = false);
/// √var. Not std: after `using namespace descent;` that name would be ambiguous with the namespace.
Tensor stddev(const Tensor& x, const Dims& dims = {}, std::int64_t correction = 1,
              bool keepdim = false);
Tensor prod(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// The largest; equal elements share the gradient evenly, as torch.amax.
Tensor max(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor min(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Index of the first largest along dim, or in the flattened tensor without one; int64.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
/// log Σ eˣ, shifted by the maximum.
Tensor logsumexp(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// (Σ|x|ᵖ)^(1/p); p may be infinite, or 0 for the number of non-zeros. Gradient 0 at 0 for p = 2.
Tensor norm(const Tensor& x, double p = 2, const Dims& dims = {}, bool keepdim = false);
Tensor cumsum(const Tensor& x, std::int64_t dim);
/// x summed down to `shape`, which broadcasts to x's.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---- products ----
/// Vectors, matrices, or batches of matrices whose leading dimensions broadcast, as torch.matmul.
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor outer(const Tensor& a, const Tensor& b);  ///< (n,), (m,) → (n, m)
Tensor dot(const Tensor& a, const Tensor& b);    ///< (n,), (n,) → ()
/// Einstein's notation: letters, commas, an optional "->", an optional "..." for leading
/// dimensions. A letter twice in one operand takes the diagonal.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);
/// x (…, in) · weight (out, in)ᵀ + bias (out), in one step; bias may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- shape; the members of Tensor as functions, and joining ----
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor flatten(const Tensor& x, std::int64_t first = 0, std::int64_t last = -1);
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor permute(const Tensor& x, const Dims& order);
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
Tensor expand(const Tensor& x, const Shape& shape);
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
/// Pieces of `size` along dim, the last one smaller if need be.
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim = 0);
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes,
                          std::int64_t dim = 0);
/// At most `chunks` pieces of equal size, the last one smaller if need be.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);

// ---- by index; int64 indices, checked ----
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
/// (…, classes), a 1 at each label; classes = −1 takes as many as the labels need.
Tensor one_hot(const Tensor& labels, std::int64_t classes = -1, DType dtype = kFloat32);

/// True when shapes agree and |a − b| <= atol + rtol·|b| everywhere (NaN equals nothing).
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8);

}  // namespace descent
