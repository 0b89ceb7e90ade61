// Functions of one variable and activations: each with its derivative beside it.
// Legend: g the gradient of the output, y the output.
#include <descent/autograd/fused.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/reduce.h>

#include <cmath>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::record;
using detail::Saved;

namespace {
constexpr double kTwoOverSqrtPi = 1.1283791670955126, kSqrtHalf = 0.7071067811865476,
                 kInvSqrt2Pi = 0.3989422804014327;
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
                [](const Tensor& g, const Tensor& y, Need) { return Grads(g * y * y * y * -0.5); });
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

Tensor tanh(const Tensor& x) {
  return record("tanh", kernel::tanh(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::tanh, g, y));
  });
}

Tensor erf(const Tensor& x) {  // 2/√π · e^(−x²)
  return record("erf", kernel::erf(x), {x}, [x = Saved(x)](const Tensor& g, Need) {
    return Grads(g * exp(-square(x)) * kTwoOverSqrtPi);
  });
}

Tensor sign(const Tensor& x) { return kernel::sign(x); }

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  if (low && high && low->to_double() > high->to_double())
    fail<ValueError>("clamp", "got low ", low->to_double(), " and high ", high->to_double(),
                     ", expected low <= high");
  return record("clamp", kernel::clamp(x, low, high), {x},
                [x = Saved(x), low, high](const Tensor& g, Need) {
                  return Grads(g * kernel::inside(x, low, high));
                });
}

// ---- activations ----

Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y) {
  const bool plain = !grad_enabled();  // in one pass, without a history
  switch (activation) {
    case Activation::relu:  // [y > 0]
      return plain ? kernel::relu_grad(g, y) : g * kernel::step(y, 0, 0, 1);
    case Activation::tanh:  // 1 − y²
      return plain ? kernel::tanh_grad(g, y) : g * (1 - y * y);
    case Activation::sigmoid:  // y(1 − y)
      return plain ? kernel::sigmoid_grad(g, y) : g * y * (1 - y);
    default:
      return g;
  }
}

Tensor sigmoid(const Tensor& x) {
  return record("sigmoid", kernel::sigmoid(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::sigmoid, g, y));
  });
}

Tensor relu(const Tensor& x) {
  return record("relu", kernel::relu(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::relu, g, y));
  });
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return record("leaky_relu", kernel::leaky_relu(x, slope), {x},
                [x = Saved(x), slope](const Tensor& g, Need) {
                  return Grads(g * kernel::step(x, slope, slope, 1));
                });
}

Tensor elu(const Tensor& x, double alpha) {  // 1 for x > 0, else α·eˣ
  return record("elu", kernel::elu(x, alpha), {x}, [x = Saved(x), alpha](const Tensor& g, Need) {
    return Grads(where(*x > 0, g, g * exp(minimum(x, 0)) * alpha));
  });
}

Tensor silu(const Tensor& x) {  // σ + xσ(1 − σ)
  return record("silu", kernel::silu(x), {x}, [x = Saved(x)](const Tensor& g, Need) {
    if (!grad_enabled()) return Grads(kernel::silu_grad(g, x));
    const Tensor s = sigmoid(x);
    return Grads(g * (s + *x * s * (1 - s)));
  });
}

Tensor softplus(const Tensor& x) {  // σ(x)
  return record("softplus", kernel::softplus(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * sigmoid(x)); });
}

Tensor gelu(const Tensor& x, GeluForm form) {
  if (form == GeluForm::tanh)  // x/2 · (1 + tanh(√(2/π)(x + 0.044715x³)))
    return x * 0.5 * (tanh((x + x * x * x * 0.044715) * (2 * kInvSqrt2Pi)) + 1);
  return record("gelu", kernel::gelu(x), {x}, [x = Saved(x)](const Tensor& g, Need) {  // Φ + xφ
    if (!grad_enabled()) return Grads(kernel::gelu_grad(g, x));
    const Tensor cdf = (erf(*x * kSqrtHalf) + 1) * 0.5;
    return Grads(g * (cdf + *x * exp(square(x) * -0.5) * kInvSqrt2Pi));
  });
}

namespace {
bool is_last(const Tensor& t, std::int64_t dim) { return dim == -1 || dim == t.dim() - 1; }
}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim) {  // y(g − Σ g·y)
  return record("softmax", kernel::softmax(x, dim), {x},
                [dim](const Tensor& g, const Tensor& y, Need) {
                  if (!grad_enabled() && is_last(y, dim)) return Grads(kernel::softmax_grad(g, y));
                  return Grads(y * (g - sum(g * y, {dim}, true)));
                });
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {  // g − eʸ·Σg
  return record("log_softmax", kernel::log_softmax(x, dim), {x},
                [dim](const Tensor& g, const Tensor& y, Need) {
                  if (!grad_enabled() && is_last(y, dim))
                    return Grads(kernel::log_softmax_grad(g, y));
                  return Grads(g - exp(y) * sum(g, {dim}, true));
                });
}

}  // namespace descent
