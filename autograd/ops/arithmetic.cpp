// Arithmetic, comparison, choice, and functions of one variable: each operator with its derivative
// beside it.
// Legend: g the gradient of the output, y the output.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>

#include <cmath>
#include <limits>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::record;
using detail::Saved;

Tensor add(const Tensor& a, const Tensor& b) {
  return record("add", kernel::add(a, b), {a, b}, [](Tensor&& g, Need need) {
    if (!need[1]) return Grads(std::move(g), Tensor());
    return Grads(need[0] ? g : Tensor(), std::move(g));
  });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record("sub", kernel::sub(a, b), {a, b}, [](const Tensor& g, Need need) {
    return Grads(need[0] ? g : Tensor(), need[1] ? -g : Tensor());
  });
}

Tensor mul(const Tensor& a, const Tensor& b) {  // ∂(ab)/∂a = b, ∂(ab)/∂b = a
  return record("mul", kernel::mul(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, Need need) {
                  return Grads(need[0] ? g * b : Tensor(), need[1] ? g * a : Tensor());
                });
}

Tensor div(const Tensor& a, const Tensor& b) {  // ∂(a/b)/∂a = 1/b, ∂(a/b)/∂b = −(a/b)/b
  return record("div", kernel::div(a, b), {a, b},
                [b = Saved(b)](const Tensor& g, const Tensor& y, Need need) {
                  return Grads(need[0] ? g / b : Tensor(), need[1] ? -g * y / b : Tensor());
                });
}

Tensor pow(const Tensor& a, const Tensor& b) {  // ∂aᵇ/∂a = b·aᵇ⁻¹, ∂aᵇ/∂b = aᵇ·log a
  return record("pow", kernel::pow(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, const Tensor& y, Need need) {
                  const Tensor zero_exponent = kernel::eq(b, zeros({}, b->dtype()));
                  Tensor da, db;
                  // The exponent, not only the result, is chosen: b·a⁻¹ has no derivative at a = 0.
                  // Elsewhere b·aᵇ⁻¹ is 0 at b = 0 by itself, and keeps its slope by b.
                  if (need[0]) {
                    const double least = a->dtype() == kFloat64 ? std::numeric_limits<double>::min()
                                                                : std::numeric_limits<float>::min();
                    const Tensor ordinary = kernel::ge(kernel::abs(a), full({}, least, a->dtype()));
                    const Tensor edge =
                        kernel::where(ordinary, full({}, false, kBool), zero_exponent);
                    da = where(edge, 0.0, g * b * pow(a, where(edge, 1.0, b) - 1.0));
                  }
                  if (need[1]) {
                    const Tensor no = full({}, false, kBool);
                    const Tensor at_zero = kernel::where(kernel::eq(a, zeros({}, a->dtype())),
                                                         kernel::ge(b, zeros({}, b->dtype())), no);
                    db = where(at_zero, 0.0, g * y * log(where(at_zero, 1.0, a)));
                  }
                  return Grads(da, db);
                });
}

Tensor neg(const Tensor& x) {
  return record("neg", kernel::neg(x), {x}, [](const Tensor& g, Need) { return Grads(-g); });
}

namespace {

// Records maximum() or minimum(). a is chosen where `loses` is false. Where both are equal, each
// gets half of the gradient.
using Comparison = Tensor (*)(const Tensor&, const Tensor&);
Tensor choose(const char* name, Tensor value, const Tensor& a, const Tensor& b, Comparison loses) {
  return record(name, std::move(value), {a, b},
                [a = Saved(a), b = Saved(b), loses](const Tensor& g, Need need) {
                  const Tensor half = where(kernel::eq(a, b), g * 0.5, g);
                  return Grads(need[0] ? where(loses(a, b), 0.0, half) : Tensor(),
                               need[1] ? where(loses(b, a), 0.0, half) : Tensor());
                });
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  return choose("maximum", kernel::maximum(a, b), a, b, kernel::lt);
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return choose("minimum", kernel::minimum(a, b), a, b, kernel::gt);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return record("where", kernel::where(condition, a, b), {a, b},
                [c = Saved(condition)](const Tensor& g, Need need) {
                  return Grads(need[0] ? where(c, g, 0.0) : Tensor(),
                               need[1] ? where(c, 0.0, g) : Tensor());
                });
}

// ---- a number in place of a tensor ----
// The number becomes a scalar tensor, of the type that promote() gives for both operands.

namespace {
Tensor number(Scalar s, const Tensor& other) {
  return detail::constant([&] { return full({}, s, promote(other.dtype(), s)); });
}
}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where(condition, a, number(b, a));
}
Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  return where(condition, number(a, b), b);
}
Tensor pow(const Tensor& a, Scalar b) {
  if (b.to_double() == 2 && is_floating(a.dtype())) return square(a);
  return pow(a, number(b, a));
}
Tensor pow(Scalar a, const Tensor& b) { return pow(number(a, b), b); }
Tensor where(const Tensor& condition, Scalar a, Scalar b) {
  const auto type = [](Scalar s) {
    return s.dtype() == kBool ? kBool : s.is_integral() ? kInt64 : kFloat32;
  };
  const DType dtype = promote(type(a), type(b));
  return where(condition, detail::constant([&] { return full({}, a, dtype); }),
               detail::constant([&] { return full({}, b, dtype); }));
}
Tensor maximum(Scalar a, const Tensor& b) { return maximum(number(a, b), b); }
Tensor minimum(Scalar a, const Tensor& b) { return minimum(number(a, b), b); }
Tensor maximum(const Tensor& a, Scalar b) { return maximum(a, number(b, a)); }
Tensor minimum(const Tensor& a, Scalar b) { return minimum(a, number(b, a)); }

Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
Tensor operator+(const Tensor& a, Scalar b) { return add(a, number(b, a)); }
Tensor operator-(const Tensor& a, Scalar b) { return sub(a, number(b, a)); }
Tensor operator*(const Tensor& a, Scalar b) { return mul(a, number(b, a)); }
Tensor operator/(const Tensor& a, Scalar b) { return div(a, number(b, a)); }
Tensor operator+(Scalar a, const Tensor& b) { return add(number(a, b), b); }
Tensor operator-(Scalar a, const Tensor& b) { return sub(number(a, b), b); }
Tensor operator*(Scalar a, const Tensor& b) { return mul(number(a, b), b); }
Tensor operator/(Scalar a, const Tensor& b) { return div(number(a, b), b); }
Tensor operator-(const Tensor& x) { return neg(x); }

// ---- comparison ----

Tensor eq(const Tensor& a, const Tensor& b) { return kernel::eq(a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return kernel::ne(a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return kernel::lt(a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return kernel::le(a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return kernel::gt(a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return kernel::ge(a, b); }
Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
Tensor operator==(const Tensor& a, Scalar b) { return eq(a, number(b, a)); }
Tensor operator!=(const Tensor& a, Scalar b) { return ne(a, number(b, a)); }
Tensor operator<(const Tensor& a, Scalar b) { return lt(a, number(b, a)); }
Tensor operator<=(const Tensor& a, Scalar b) { return le(a, number(b, a)); }
Tensor operator>(const Tensor& a, Scalar b) { return gt(a, number(b, a)); }
Tensor operator>=(const Tensor& a, Scalar b) { return ge(a, number(b, a)); }

// ---- functions of one variable ----

namespace {
constexpr double kTwoOverSqrtPi = 1.1283791670955126;
}

Tensor abs(const Tensor& x) {  // |x|′ = sign x
  return record("abs", kernel::abs(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * kernel::sign(x)); });
}

Tensor exp(const Tensor& x) {  // y′ = y
  return record("exp", kernel::exp(x), {x},
                [](const Tensor& g, const Tensor& y, Need) { return Grads(g * y); });
}

Tensor expm1(const Tensor& x) {  // y′ = y + 1
  return record("expm1", kernel::expm1(x), {x},
                [](const Tensor& g, const Tensor& y, Need) { return Grads(g * (y + 1)); });
}

Tensor log(const Tensor& x) {  // 1/x
  return record("log", kernel::log(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g / x); });
}

Tensor log1p(const Tensor& x) {  // 1/(1 + x)
  return record("log1p", kernel::log1p(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g / (*x + 1)); });
}

Tensor sqrt(const Tensor& x) {  // 1/(2y)
  return record("sqrt", kernel::sqrt(x), {x},
                [](const Tensor& g, const Tensor& y, Need) { return Grads(g / (y * 2)); });
}

Tensor rsqrt(const Tensor& x) {  // −y³/2
  return record("rsqrt", kernel::rsqrt(x), {x},
                [](const Tensor& g, const Tensor& y, Need) { return Grads(g * -0.5 * y * y * y); });
}

Tensor square(const Tensor& x) {  // 2x
  return record("square", kernel::mul(x, x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * x * 2); });
}

Tensor reciprocal(const Tensor& x) {  // −y²
  return record("reciprocal", kernel::reciprocal(x), {x},
                [](const Tensor& g, const Tensor& y, Need) { return Grads(-g * y * y); });
}

Tensor sin(const Tensor& x) {
  return record("sin", kernel::sin(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * cos(x)); });
}

Tensor cos(const Tensor& x) {
  return record("cos", kernel::cos(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(-g * sin(x)); });
}

Tensor erf(const Tensor& x) {  // 2/√π · e^(−x²)
  return record("erf", kernel::erf(x), {x}, [x = Saved(x)](const Tensor& g, Need) {
    return Grads(g * exp(-square(x)) * kTwoOverSqrtPi);
  });
}

Tensor sign(const Tensor& x) { return kernel::sign(x); }

namespace {
constexpr double kLog2E = 1.44269504088896340736, kLog10E = 0.43429448190325182765;
}

Tensor log2(const Tensor& x) {  // log₂e/x; x·log 2 could be subnormal
  return record("log2", kernel::log2(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * kLog2E / *x); });
}

Tensor log10(const Tensor& x) {  // log₁₀e/x
  return record("log10", kernel::log10(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * kLog10E / *x); });
}

Tensor sinh(const Tensor& x) {
  return record("sinh", kernel::sinh(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * cosh(x)); });
}

Tensor cosh(const Tensor& x) {
  return record("cosh", kernel::cosh(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * sinh(x)); });
}

Tensor atan(const Tensor& x) {  // 1/(1 + x²)
  return record("atan", kernel::atan(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g / (square(x) + 1)); });
}

namespace {
Tensor rounded(const Tensor& x, Tensor (*f)(const Tensor&)) {
  return is_floating(x.dtype()) ? f(x) : kernel::clone(x);
}
}  // namespace

Tensor floor(const Tensor& x) { return rounded(x, kernel::floor); }
Tensor ceil(const Tensor& x) { return rounded(x, kernel::ceil); }
Tensor round(const Tensor& x) { return rounded(x, kernel::round); }
Tensor trunc(const Tensor& x) { return rounded(x, kernel::trunc); }

Tensor atan2(const Tensor& a, const Tensor& b) {  // ∂a: b/(a² + b²), ∂b: −a/(a² + b²)
  return record("atan2", kernel::atan2(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, Need need) {
                  // In units of the larger one, because squares leave the range sooner.
                  const Tensor size = kernel::maximum(kernel::abs(a), kernel::abs(b)),
                               u = *a / size, v = *b / size, d = square(u) + square(v);
                  return Grads(need[0] ? g * (v / d) / size : Tensor(),
                               need[1] ? -g * (u / d) / size : Tensor());
                });
}

Tensor logaddexp(const Tensor& a, const Tensor& b) {  // ∂a: σ(a − b); 1/2 where both are equal
  return record("logaddexp", kernel::logaddexp(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, Need need) {
                  const Tensor infinite = kernel::eq(a, b), gap = *a - b;  // ∞ − ∞ is NaN
                  const Tensor known = where(isnan(where(infinite, gap, 0.0)), 0.0, gap);
                  return Grads(need[0] ? g * sigmoid(known) : Tensor(),
                               need[1] ? g * sigmoid(-known) : Tensor());
                });
}

Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) {
  return where(weight < 0.5, a + weight * (b - a), b - (1 - weight) * (b - a));
}
Tensor lerp(const Tensor& a, const Tensor& b, Scalar weight) {
  return weight.to_double() < 0.5 ? a + (b - a) * weight : b - (b - a) * (1 - weight.to_double());
}

Tensor isnan(const Tensor& x) { return kernel::ne(x, x); }
Tensor isinf(const Tensor& x) {
  return is_floating(x.dtype()) ? abs(x.detach()) == INFINITY : full(x.shape(), false, kBool);
}
Tensor isfinite(const Tensor& x) { return logical_not(logical_or(isnan(x), isinf(x))); }

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  if (!is_floating(x.dtype())) return x;
  const double most = x.dtype() == kFloat32 ? double{std::numeric_limits<float>::max()}
                                            : std::numeric_limits<double>::max();
  const Tensor numbers = where(isnan(x), nan, x), high = x.detach() == INFINITY,
               low = x.detach() == -INFINITY;
  return where(low, neginf.value_or(-most), where(high, posinf.value_or(most), numbers));
}

Tensor logical_not(const Tensor& x) { return kernel::eq(x, zeros({}, x.dtype())); }
Tensor logical_and(const Tensor& a, const Tensor& b) {
  return kernel::where(logical_not(a), full({}, false, kBool), kernel::cast(b, kBool));
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return kernel::where(logical_not(a), kernel::cast(b, kBool), full({}, true, kBool));
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return kernel::ne(kernel::cast(a, kBool), kernel::cast(b, kBool));
}

namespace {
void check_bool(const char* op, const Tensor& x) {
  if (x.dtype() != kBool)
    fail<DTypeError>(op, "got ", x.dtype(),
                     ", expected bool. Hint: compare first, as (x != 0), or use "
                     "logical_and() and its kin");
}
}  // namespace

Tensor operator!(const Tensor& x) {
  check_bool("!", x);
  return logical_not(x);
}
Tensor operator&(const Tensor& a, const Tensor& b) {
  check_bool("&", a), check_bool("&", b);
  return logical_and(a, b);
}
Tensor operator|(const Tensor& a, const Tensor& b) {
  check_bool("|", a), check_bool("|", b);
  return logical_or(a, b);
}
Tensor operator^(const Tensor& a, const Tensor& b) {
  check_bool("^", a), check_bool("^", b);
  return logical_xor(a, b);
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  for (const std::optional<Scalar>& bound : {low, high})
    if (bound && std::isnan(bound->to_double()))
      fail<ValueError>("clamp", "got a bound that is NaN, expected a number");
  if (low && high && low->to_double() > high->to_double())
    fail<ValueError>("clamp", "got low ", low->to_double(), " and high ", high->to_double(),
                     ", expected low <= high");
  return record("clamp", kernel::clamp(x, low, high), {x},
                [x = Saved(x), low, high](const Tensor& g, Need) {
                  Tensor inside = g;
                  if (low) inside = where(*x >= *low, inside, 0.0);
                  if (high) inside = where(*x <= *high, inside, 0.0);
                  return Grads(inside);
                });
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol) {
  if (!(a.shape() == b.shape())) return false;
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double gap = x[i] > y[i] ? x[i] - y[i] : y[i] - x[i];
    const double size = y[i] < 0 ? -y[i] : y[i];
    if (x[i] != y[i] && !(gap <= atol + rtol * size)) return false;
  }
  return true;
}

}  // namespace descent
