// Reductions and scans.
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/launch.h>

#include <cmath>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::one_pass;
using detail::record;
using detail::Saved;

namespace {

/// Puts extents of 1 into y in place of the reduced dimensions. y is the result of reducing a
/// tensor of this shape over the dimensions in `set`.
Tensor keep_dims(const Tensor& y, const Shape& shape, unsigned set) {
  return y.reshape(kernel::reduced_shape(shape, set, true));
}

double count(const Shape& shape, unsigned set) {
  double n = 1;
  for (int d = 0; d < shape.rank(); ++d)
    if ((set >> d & 1) != 0) n *= static_cast<double>(shape[d]);
  return n;
}

Tensor floating(const Tensor& x) { return x.to(promote_to_floating(x.dtype())); }

Tensor wide(double x) {
  return detail::constant([&] { return full({}, x, kFloat64); });
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim) {
  const unsigned set = kernel::dim_set("sum", dims, x.shape().rank());
  return record("sum", kernel::sum(x, dims, keepdim), {x},
                [shape = x.shape(), set](const Tensor& g, Need) {
                  return Grads(keep_dims(g, shape, set).expand(shape));
                });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return record("sum_to", kernel::sum_to(x, shape), {x},
                [from = x.shape()](const Tensor& g, Need) { return Grads(g.expand(from)); });
}

Tensor mean(const Tensor& input, const Dims& dims, bool keepdim) {
  const Tensor x = floating(input);
  const unsigned set = kernel::dim_set("mean", dims, x.shape().rank());
  const double n = count(x.shape(), set);
  return record("mean", kernel::div(kernel::sum(x, dims, keepdim), full({}, n, x.dtype())), {x},
                [shape = x.shape(), set, n](const Tensor& g, Need) {
                  return Grads((keep_dims(g, shape, set) * (1 / n)).expand(shape));
                });
}

namespace {

/// g·(x − mean)/y, the slope of a spread y. g and y have the shape of the spread, and `mean` that
/// shape with dimensions kept, in double.
Tensor spread_slope(const Tensor& x, const Dims& dims, const Tensor& mean, const Tensor& g,
                    const Tensor& y) {
  if (one_pass()) {
    const Tensor factor = kernel::div(kernel::cast(g, kFloat64), kernel::cast(y, kFloat64));
    return kernel::centred(x, mean, factor.reshape(mean.shape()));
  }
  // x less its mean as floats is exact where the mean is large. The rest has a small mean, which
  // carries the history.
  const Tensor rough = x - kernel::cast(mean, x.dtype());
  const Tensor centred = rough - descent::mean(rough, dims, true);
  return centred / y.reshape(mean.shape()) * g.reshape(mean.shape());
}

}  // namespace

Tensor var(const Tensor& input, const Dims& dims, std::int64_t correction, bool keepdim) {
  const Tensor x = floating(input), mean = kernel::wide_mean(x, dims);
  const unsigned set = kernel::dim_set("var", dims, x.shape().rank());
  const double n = count(x.shape(), set), rest = n - static_cast<double>(correction);
  const double divisor = rest > 0 ? rest : NAN;
  const Tensor deviation = kernel::deviation(x, dims, mean);
  const Tensor value = kernel::mul(kernel::mul(deviation, deviation), wide(n / divisor));
  return record(
      "var", kernel::cast(value, x.dtype()).reshape(kernel::reduced_shape(x.shape(), set, keepdim)),
      {x}, [x = Saved(x), dims, mean, divisor](const Tensor& g, Need) {  // 2(x − mean)/divisor
        return Grads(spread_slope(x, dims, mean, g, full_like(g, divisor / 2)));
      });
}

Tensor stddev(const Tensor& input, const Dims& dims, std::int64_t correction, bool keepdim) {
  const Tensor x = floating(input), mean = kernel::wide_mean(x, dims);
  const unsigned set = kernel::dim_set("stddev", dims, x.shape().rank());
  const double n = count(x.shape(), set), rest = n - static_cast<double>(correction);
  const double divisor = rest > 0 ? rest : NAN;
  const Tensor value = kernel::mul(kernel::deviation(x, dims, mean), wide(std::sqrt(n / divisor)));
  return record(
      "stddev",
      kernel::cast(value, x.dtype()).reshape(kernel::reduced_shape(x.shape(), set, keepdim)), {x},
      [x = Saved(x), dims, mean, divisor](const Tensor& g, const Tensor& y, Need) {
        // (x − mean)/(divisor·y), and 0 where all numbers are equal.
        const Tensor equal = kernel::eq(y, zeros({}, y.dtype()));
        return Grads(spread_slope(x, dims, mean, where(equal, 0.0, g * (1 / divisor)),
                                  where(equal, 1.0, y)));
      });
}

Tensor prod(const Tensor& x, const Dims& dims, bool keepdim) {
  // The first half is multiplied by the second until one element is left. Without a division,
  // gradients of any order are exact where elements are 0.
  const int rank = x.shape().rank();
  const unsigned set = kernel::dim_set("prod", dims, rank);
  Dims order;
  for (const bool reduced : {false, true})
    for (int d = 0; d < rank; ++d)
      if (static_cast<bool>(set >> d & 1) == reduced) order.push_back(d);
  Shape kept = kernel::reduced_shape(x.shape(), set, false);
  auto n = static_cast<std::int64_t>(count(x.shape(), set));
  const Shape out = kernel::reduced_shape(x.shape(), set, keepdim);
  if (n == 0) return sum(x, dims, keepdim) + 1;  // a product with a history too
  kept.push_back(n);
  Tensor y = (rank > 0 ? x.permute(order) : x).reshape(kept);
  const int last = kept.rank() - 1;
  while (n > 1) {
    const std::int64_t half = n / 2;
    Tensor folded = y.narrow(last, 0, half) * y.narrow(last, half, half);
    if (n % 2 == 1) folded = cat({folded, y.narrow(last, n - 1, 1)}, last);
    y = folded;
    n = y.size(last);
  }
  return y.reshape(out);
}

namespace {

Tensor extreme(const char* name, Tensor value, const Tensor& x, const Dims& dims) {
  const unsigned set = kernel::dim_set(name, dims, x.shape().rank());
  const Dims same = dims;
  return record(name, std::move(value), {x},
                [x = Saved(x), same, set](const Tensor& g, const Tensor& y, Need) {
                  const Tensor wide = keep_dims(y.detach(), x->shape(), set);
                  const Tensor hit = kernel::eq(x, wide), one = hit.to(g.dtype());
                  const Tensor share = kernel::div(one, kernel::sum(one, same, true));
                  return Grads(where(hit, keep_dims(g, x->shape(), set) * share, 0.0));
                });
}

}  // namespace

Tensor max(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("max", kernel::max(x, dims, keepdim), x, dims);
}
Tensor min(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("min", kernel::min(x, dims, keepdim), x, dims);
}

Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  return dim ? kernel::argmax(x, *dim, keepdim)
             : kernel::argmax(x.detach().reshape({-1}), 0, false);
}
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  return dim ? kernel::argmin(x, *dim, keepdim)
             : kernel::argmin(x.detach().reshape({-1}), 0, false);
}

Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim) {
  const Tensor x = floating(input);
  const unsigned set = kernel::dim_set("logsumexp", dims, x.shape().rank());
  if (count(x.shape(), set) == 0)  // the logarithm of an empty sum
    return full(kernel::reduced_shape(x.shape(), set, keepdim), -INFINITY, x.dtype());
  const Tensor m = kernel::max(x, dims, true);
  // If the maximum is infinite, x − maximum would be inf − inf.
  const Tensor shift = kernel::where(kernel::lt(kernel::abs(m), full({}, INFINITY, m.dtype())), m,
                                     zeros({}, m.dtype()));
  const Tensor y = log(sum(exp(x - shift), dims, true)) + shift;
  return keepdim ? y : y.reshape(kernel::reduced_shape(x.shape(), set, false));
}

Tensor norm(const Tensor& input, double p, const Dims& dims, bool keepdim) {
  const Tensor x = floating(input);
  if (p != p || p < 0) fail<ValueError>("norm", "got p = ", p, ", expected 0 or more");
  if (p == INFINITY) return max(abs(x), dims, keepdim);
  if (p == 0) return sum((x != 0).to(x.dtype()), dims, keepdim);
  if (p == 1) return sum(abs(x), dims, keepdim);
  const unsigned set = kernel::dim_set("norm", dims, x.shape().rank());
  if (p != 2) {  // powers may have an infinite derivative at 0
    // In double, and as shares of the largest element, so that no power overflows or vanishes.
    const Tensor wide = abs(x.to(kFloat64)), zero = x.detach() == 0;
    if (x.numel() == 0) return sum(wide, dims, keepdim).to(x.dtype());
    const Tensor most = max(wide.detach(), dims, true);
    const Tensor unit = where(most == 0, 1.0, where(most == INFINITY, 1.0, most));
    const Tensor powers = sum(where(zero, 0.0, pow(where(zero, 1.0, wide / unit), p)), dims, true);
    const Tensor empty = powers.detach() == 0;
    const Tensor value = where(empty, 0.0, pow(where(empty, 1.0, powers), 1 / p) * unit);
    return value.reshape(kernel::reduced_shape(x.shape(), set, keepdim)).to(x.dtype());
  }
  // x/‖x‖, and 0 where the norm is 0.
  const Tensor value = kernel::cast(kernel::lengths(x, dims), x.dtype())
                           .reshape(kernel::reduced_shape(x.shape(), set, keepdim));
  return record("norm", value, {x}, [x = Saved(x), set](const Tensor& g, const Tensor& y, Need) {
    const Tensor at_zero = kernel::eq(y, zeros({}, y.dtype()));
    const Tensor length = keep_dims(where(at_zero, 1.0, y), x->shape(), set);
    return Grads(keep_dims(where(at_zero, 0.0, g), x->shape(), set) * (*x / length));
  });
}

namespace {
Tensor scan(const Tensor& x, std::int64_t dim, bool reverse) {
  return record("cumsum", kernel::cumsum(x, dim, reverse), {x},
                [dim, reverse](const Tensor& g, Need) { return Grads(scan(g, dim, !reverse)); });
}
}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t dim) { return scan(x, dim, false); }

// ---- any, all ----

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) {
  const NoGradGuard no_grad;
  return sum((x != 0).to(kInt64), dims, keepdim) > 0;
}
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) {
  const NoGradGuard no_grad;
  return sum((x == 0).to(kInt64), dims, keepdim) == 0;
}

}  // namespace descent
