// Activations: the value of each activation, and beside it the gradient in one pass.
// Legend: v an element of the input, w of the output, d of the output's gradient.
#include <descent/core/kernels/activation.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math.h>

#include <cmath>

namespace descent::kernel {
namespace {

/// v limited to ±10⁴, where densities are 0: a product with an infinite v would be NaN.
template <class T>
[[gnu::always_inline]] inline T within_reach(T v) {
  const T below = v > 10000 ? T(10000) : v;
  return below < -10000 ? T(-10000) : below;
}

constexpr auto kReluGrad = [](auto d, auto w) { return w <= 0 ? decltype(d)(0) : d; };
constexpr auto kTanhGrad = [](auto d, auto w) { return d * (1 - w * w); };
constexpr auto kSigmoidGrad = [](auto d, auto w) { return d * w * (1 - w); };

}  // namespace

template <class T>
void activation_grad(Activation activation, std::int64_t n, const T* g, const T* y, T* to) {
  const auto write = [=](auto f) {
    simd::loop(
        n, [f](T d, T w, T& out) { out = f(d, w); }, g, y, to);
  };
  if (activation == Activation::relu) write(kReluGrad);
  if (activation == Activation::tanh) write(kTanhGrad);
  if (activation == Activation::sigmoid) write(kSigmoidGrad);
}
template void activation_grad(Activation, std::int64_t, const float*, const float*, float*);
template void activation_grad(Activation, std::int64_t, const double*, const double*, double*);

Tensor activation_grad(Activation activation, const Tensor& g, const Tensor& y) {
  switch (activation) {
    case Activation::relu:
      return relu_grad(g, y);
    case Activation::tanh:
      return tanh_grad(g, y);
    case Activation::sigmoid:
      return sigmoid_grad(g, y);
    default:
      return g;
  }
}

// ---- relu: max(v, 0) and d·[w > 0] ----

Tensor relu(const Tensor& x) {
  return map("relu", x, [](auto v) { return v < 0 ? decltype(v)(0) : v; });
}
Tensor relu_grad(const Tensor& g, const Tensor& y) { return map2("relu", g, y, kReluGrad); }

// ---- tanh: tanh v and d·(1 − w²) ----

Tensor tanh(const Tensor& x) {
  return map_within(
      "tanh", x, math::kTanhMost, [](float v) { return math::tanh_within(v); },
      [](auto v) { return math::tanh(v); });
}
Tensor tanh_grad(const Tensor& g, const Tensor& y) { return map2("tanh", g, y, kTanhGrad); }

// ---- sigmoid: σ(v) and d·w·(1 − w) ----

Tensor sigmoid(const Tensor& x) {
  return map("sigmoid", x, [](auto v) { return math::sigmoid(v); });
}
Tensor sigmoid_grad(const Tensor& g, const Tensor& y) {
  return map2("sigmoid", g, y, kSigmoidGrad);
}

// ---- silu: v·σ(v) and d·(σ + v·σ·(1 − σ)) ----

Tensor silu(const Tensor& x) {
  return map("silu", x, [](auto v) {
    const auto s = math::sigmoid(v);
    return s == 0 ? decltype(v)(0) : v * s;  // −∞ · 0 would be NaN
  });
}
Tensor silu_grad(const Tensor& g, const Tensor& x) {
  return map2("silu", g, x, [](auto d, auto v) {
    const auto e = math::exp(v < 0 ? v : -v), r = 1 / (1 + e);
    const auto s = v < 0 ? e * r : r, rest = v < 0 ? r : e * r;  // rest: 1 − σ, without cancelling
    return d * (s + within_reach(v) * s * rest);
  });
}

// ---- gelu: v·Φ(v) and d·(Φ + v·φ), with the normal distribution Φ and its density φ ----

Tensor gelu(const Tensor& x) {
  return map_within(
      "gelu", x, math::kNormalMost, [](float v) { return v * math::normal_within(v).cdf; },
      [](auto v) {
        const auto phi = math::normal(v).cdf;
        return phi == 0 ? decltype(v)(0) : v * phi;  // −∞ · 0 would be NaN
      });
}
Tensor gelu_grad(const Tensor& g, const Tensor& x) {
  return map2("gelu", g, x, [](auto d, auto v) {
    const auto n = math::normal(v);
    return d * (n.cdf + within_reach(v) * n.density);
  });
}

// ---- without a one-pass gradient ----

Tensor softplus(const Tensor& x) {
  return map("softplus", x, [](auto v) { return math::softplus(v); });
}
Tensor elu(const Tensor& x, double alpha) {
  return map("elu", x, [alpha](auto v) {
    using T = decltype(v);
    return v > 0 ? v : T(alpha) * math::expm1(v > 0 ? T(0) : v);  // NaN stays NaN
  });
}
Tensor leaky_relu(const Tensor& x, double slope) {
  return map("leaky_relu", x, [slope](auto v) { return v > 0 ? v : decltype(v)(slope) * v; });
}

}  // namespace descent::kernel
