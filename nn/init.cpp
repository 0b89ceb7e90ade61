#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/init.h>

#include <array>
#include <cmath>
#include <limits>

namespace descent::nn::init {
namespace {

// Draws are row-major in the logical shape, so the layout in memory changes no value.
const Tensor& write(const Tensor& t, const Tensor& values) {
  const NoGradGuard guard;
  return t.copy_(values);
}

struct Fans {
  double in, out;
};
Fans fans(const char* op, const Tensor& t) {
  if (t.dim() < 2)
    fail<ShapeError>(op, "got shape ", t.shape(),
                     ", expected a weight (out, in). Hint: use uniform_ for a bias");
  const double rest = static_cast<double>(t.numel()) / static_cast<double>(t.size(0) * t.size(1));
  return {static_cast<double>(t.size(1)) * rest, static_cast<double>(t.size(0)) * rest};
}

}  // namespace

const Tensor& constant_(const Tensor& t, double value) {
  return write(t, full({}, value, t.dtype()));
}

const Tensor& uniform_(const Tensor& t, double low, double high) {
  if (!(low <= high))
    fail<ValueError>("uniform_", "got [", low, ", ", high, "), expected low <= high");
  const bool wide = t.dtype() == kFloat64;
  if (!(high - low <= (wide ? std::numeric_limits<double>::max()
                            : static_cast<double>(std::numeric_limits<float>::max()))))
    fail<ValueError>("uniform_", "got [", low, ", ", high, ") for ", t.dtype(),
                     ", expected an interval whose length this type can hold");
  // Rounding may reach `high`, which is outside.
  const double last =
      wide ? std::nextafter(high, low)
           : static_cast<double>(std::nextafter(static_cast<float>(high), static_cast<float>(low)));
  return write(t, minimum(rand(t.shape(), t.dtype()) * (high - low) + low, last));
}

const Tensor& normal_(const Tensor& t, double mean, double std) {
  if (!(std >= 0)) fail<ValueError>("normal_", "got std = ", std, ", expected 0 or more");
  return write(t, randn(t.shape(), t.dtype()) * std + mean);
}

const Tensor& xavier_uniform_(const Tensor& t, double gain) {
  const Fans f = fans("xavier_uniform_", t);
  const double bound = gain * std::sqrt(6 / (f.in + f.out));
  return uniform_(t, -bound, bound);
}

const Tensor& xavier_normal_(const Tensor& t, double gain) {
  const Fans f = fans("xavier_normal_", t);
  return normal_(t, 0, gain * std::sqrt(2 / (f.in + f.out)));
}

const Tensor& kaiming_uniform_(const Tensor& t, Fan fan, double gain) {
  const Fans f = fans("kaiming_uniform_", t);
  const double bound = gain * std::sqrt(3 / (fan == Fan::in ? f.in : f.out));
  return uniform_(t, -bound, bound);
}

const Tensor& kaiming_normal_(const Tensor& t, Fan fan, double gain) {
  const Fans f = fans("kaiming_normal_", t);
  return normal_(t, 0, gain / std::sqrt(fan == Fan::in ? f.in : f.out));
}

const Tensor& orthogonal_(const Tensor& t, double gain) {
  if (t.dim() != 2)
    fail<ShapeError>("orthogonal_", "got shape ", t.shape(), ", expected two dimensions");
  const std::int64_t rows = t.size(0), columns = t.size(1);
  const std::int64_t n = std::min(rows, columns), d = std::max(rows, columns);
  const Tensor vectors = randn({n, d}, kFloat64);  // n vectors, made orthonormal one by one
  double* v = vectors.data_ptr<double>();
  const auto dot = [d](const double* a, const double* b) {
    double s = 0;
    for (std::int64_t k = 0; k < d; ++k) s += a[k] * b[k];
    return s;
  };
  for (std::int64_t i = 0; i < n; ++i) {
    double* x = v + i * d;
    for (int pass = 0; pass < 2; ++pass)  // Gram–Schmidt twice is enough (Giraud et al. 2005)
      for (std::int64_t j = 0; j < i; ++j) {
        const double s = dot(x, v + j * d);
        for (std::int64_t k = 0; k < d; ++k) x[k] -= s * v[j * d + k];
      }
    const double scale = 1 / std::sqrt(dot(x, x));
    for (std::int64_t k = 0; k < d; ++k) x[k] *= scale;
  }
  const Tensor scaled = vectors * gain;
  return write(t, rows <= columns ? scaled : scaled.t());
}

double calculate_gain(std::string_view name, double slope) {
  if (name == "linear" || name == "sigmoid") return 1;
  if (name == "tanh") return 5.0 / 3;
  if (name == "relu") return std::sqrt(2.0);
  if (name == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  if (name == "selu") return 0.75;
  const std::array<std::string, 6> known{"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"};
  fail<ValueError>(
      "calculate_gain", "got '", name,
      "', expected linear, sigmoid, tanh, relu, leaky_relu or selu. Hint: did you mean '",
      nearest_match(name, known), "'?");
}

}  // namespace descent::nn::init
