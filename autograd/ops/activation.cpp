// Activations: each activation with its derivative beside it.
// Legend: g the gradient of the output, y the output.
//
// A rule comes in two forms. If the gradient needs no history, one_pass() is true and a kernel
// computes the gradient in one pass. The kernels of value and gradient stand together in
// core/kernels/activation.cpp. Otherwise the rule uses differentiable operators.
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/core/kernels/activation.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/softmax.h>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::one_pass;
using detail::record;
using detail::Saved;

namespace {
constexpr double kSqrtHalf = 0.7071067811865476, kInvSqrt2Pi = 0.3989422804014327;
}

Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y) {
  switch (activation) {
    case Activation::relu:  // [y > 0]
      if (one_pass()) return kernel::relu_grad(g, y);
      return where(kernel::le(y, zeros({}, y.dtype())), 0.0, g);
    case Activation::tanh:  // 1 − y²
      if (one_pass()) return kernel::tanh_grad(g, y);
      return g * (1 - y * y);
    case Activation::sigmoid:  // y(1 − y)
      if (one_pass()) return kernel::sigmoid_grad(g, y);
      return g * y * (1 - y);
    default:
      return g;
  }
}

Tensor relu(const Tensor& x) {
  return record("relu", kernel::relu(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::relu, g, y));
  });
}

Tensor tanh(const Tensor& x) {
  return record("tanh", kernel::tanh(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::tanh, g, y));
  });
}

Tensor sigmoid(const Tensor& x) {
  return record("sigmoid", kernel::sigmoid(x), {x}, [](const Tensor& g, const Tensor& y, Need) {
    return Grads(activation_grad(Activation::sigmoid, g, y));
  });
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return record(
      "leaky_relu", kernel::leaky_relu(x, slope), {x},
      [x = Saved(x), slope](const Tensor& g, Need) { return Grads(where(*x > 0, g, g * slope)); });
}

Tensor elu(const Tensor& x, double alpha) {  // 1 for x > 0, else α·eˣ
  return record("elu", kernel::elu(x, alpha), {x}, [x = Saved(x), alpha](const Tensor& g, Need) {
    return Grads(where(*x > 0, g, g * exp(where(*x >= 0, 0.0, *x)) * alpha));
  });
}

namespace {
/// clamp(x, low, high), whose gradient lets NaN through. It limits a factor that is multiplied by
/// something that goes to 0 before x reaches infinity: 0·∞ is no number.
Tensor limited(const Tensor& x, double low, std::optional<Scalar> high) {
  return record("clamp", kernel::clamp(x, low, high), {x},
                [x = Saved(x), low, high](const Tensor& g, Need) {
                  const Tensor inside = where(*x < low, 0.0, g);
                  return Grads(high ? where(*x > *high, 0.0, inside) : inside);
                });
}
}  // namespace

Tensor silu(const Tensor& x) {  // σ + xσ(1 − σ)
  return record("silu", kernel::silu(x), {x}, [x = Saved(x)](const Tensor& g, Need) {
    if (one_pass()) return Grads(kernel::silu_grad(g, x));
    const Tensor s = sigmoid(x);
    return Grads(g * (s + limited(x, -1000, 1000) * s * (1 - s)));
  });
}

Tensor softplus(const Tensor& x) {  // σ(x)
  return record("softplus", kernel::softplus(x), {x},
                [x = Saved(x)](const Tensor& g, Need) { return Grads(g * sigmoid(x)); });
}

namespace {
/// Φ(x) for |x| <= 100, which keeps its digits where it is small.
Tensor normal_cdf(const Tensor& x) {
  const Tensor value = [&] {
    const NoGradGuard value_only;
    const Tensor far = kernel::ge(kernel::abs(x), full({}, 0.5, x.dtype()));
    return where(far, kernel::gelu(x) / where(far, x, 1.0), (erf(x * kSqrtHalf) + 1) * 0.5);
  }();
  return record("normal_cdf", value, {x}, [x = Saved(x)](const Tensor& g, Need) {
    return Grads(g * exp(square(x) * -0.5) * kInvSqrt2Pi);
  });
}
}  // namespace

Tensor gelu(const Tensor& x, GeluForm form) {
  if (form == GeluForm::tanh) {  // x/2 · (1 + tanh(√(2/π)(x + 0.044715x³)))
    // (1 + tanh u)/2 is σ(2u), which keeps its digits where the tanh is near −1. Beyond ±28 it is 0
    // or 1, also in double.
    const Tensor t = limited(x, -28, 28);
    return limited(x, -28, {}) * sigmoid((t + t * t * t * 0.044715) * (4 * kInvSqrt2Pi));
  }
  return record("gelu", kernel::gelu(x), {x}, [x = Saved(x)](const Tensor& g, Need) {  // Φ + xφ
    if (one_pass()) return Grads(kernel::gelu_grad(g, x));
    const Tensor t = limited(x, -100, 100);
    return Grads(g * (normal_cdf(t) + t * exp(square(t) * -0.5) * kInvSqrt2Pi));
  });
}

namespace {
bool is_last(const Tensor& t, std::int64_t dim) { return dim == -1 || dim == t.dim() - 1; }
}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim) {  // y(g − Σ g·y)
  return record("softmax", kernel::softmax(x, dim), {x},
                [dim](const Tensor& g, const Tensor& y, Need) {
                  if (one_pass() && is_last(y, dim)) return Grads(kernel::softmax_grad(g, y));
                  return Grads(y * (g - sum(g * y, {dim}, true)));
                });
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {  // g − eʸ·Σg
  return record("log_softmax", kernel::log_softmax(x, dim), {x},
                [dim](const Tensor& g, const Tensor& y, Need) {
                  if (one_pass() && is_last(y, dim)) return Grads(kernel::log_softmax_grad(g, y));
                  return Grads(g - exp(y) * sum(g, {dim}, true));
                });
}

}  // namespace descent
