// The activations as modules, for Sequential. Each module applies the operator with the same name:
// (…) → (…). <descent/autograd/ops/activation.h> documents the operators.
#pragma once

#include <descent/autograd/ops/activation.h>
#include <descent/nn/module.h>

namespace descent::nn {

/// relu(x).
struct ReLU : Module {
  ReLU() : Module("ReLU") {}
  Tensor forward(const Tensor& x) override { return relu(x); }
};

/// tanh(x).
struct Tanh : Module {
  Tanh() : Module("Tanh") {}
  Tensor forward(const Tensor& x) override { return tanh(x); }
};

/// sigmoid(x).
struct Sigmoid : Module {
  Sigmoid() : Module("Sigmoid") {}
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};

/// silu(x).
struct SiLU : Module {
  SiLU() : Module("SiLU") {}
  Tensor forward(const Tensor& x) override { return silu(x); }
};

/// softplus(x).
struct Softplus : Module {
  Softplus() : Module("Softplus") {}
  Tensor forward(const Tensor& x) override { return softplus(x); }
};

/// x itself.
struct Identity : Module {
  Identity() : Module("Identity") {}
  Tensor forward(const Tensor& x) override { return x; }
};

/// gelu(x, form).
class GELU : public Module {
 public:
  /// form: exact, or by the approximation with tanh.
  explicit GELU(GeluForm form = GeluForm::exact)
      : Module(form == GeluForm::exact ? "GELU" : "GELU tanh"), form_(form) {}
  Tensor forward(const Tensor& x) override { return gelu(x, form_); }

 private:
  GeluForm form_;
};

/// leaky_relu(x, negative_slope).
class LeakyReLU : public Module {
 public:
  /// negative_slope: the slope for x < 0.
  explicit LeakyReLU(double negative_slope = 0.01)
      : Module(to_text("LeakyReLU slope=", negative_slope)), slope_(negative_slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

/// elu(x, alpha).
class ELU : public Module {
 public:
  /// alpha: the layer tends to −alpha for x → −∞.
  explicit ELU(double alpha = 1.0) : Module(to_text("ELU alpha=", alpha)), alpha_(alpha) {}
  Tensor forward(const Tensor& x) override { return elu(x, alpha_); }

 private:
  double alpha_;
};

/// x where x > 0, else a·x with a slope a that is learned: one for all, or one for each feature, of
/// x (N, D) or (N, D, …). Starts at 0.25. Source: He et al. 2015, arXiv:1502.01852.
class PReLU : public Module {
 public:
  /// features: 1 for one slope for all, or D. Throws ValueError below 1.
  explicit PReLU(std::int64_t features = 1, double start = 0.25);
  Tensor forward(const Tensor& x) override;

  Param weight;  ///< (features)
};

/// softmax(x, dim).
class Softmax : public Module {
 public:
  /// dim: the dimension along which the results sum to 1; negative counts from the last.
  explicit Softmax(std::int64_t dim) : Module(to_text("Softmax dim=", dim)), dim_(dim) {}
  Tensor forward(const Tensor& x) override { return softmax(x, dim_); }

 private:
  std::int64_t dim_;
};

/// log_softmax(x, dim).
class LogSoftmax : public Module {
 public:
  /// dim: the dimension along which the exponentials of the results sum to 1.
  explicit LogSoftmax(std::int64_t dim) : Module(to_text("LogSoftmax dim=", dim)), dim_(dim) {}
  Tensor forward(const Tensor& x) override { return log_softmax(x, dim_); }

 private:
  std::int64_t dim_;
};

}  // namespace descent::nn
