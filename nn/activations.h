// The activations as modules, for Sequential.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/nn/module.h>

namespace descent::nn {

struct ReLU : Module {
  ReLU() : Module("ReLU") {}
  Tensor forward(const Tensor& x) override { return relu(x); }
};
struct Tanh : Module {
  Tanh() : Module("Tanh") {}
  Tensor forward(const Tensor& x) override { return tanh(x); }
};
struct Sigmoid : Module {
  Sigmoid() : Module("Sigmoid") {}
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};
struct SiLU : Module {
  SiLU() : Module("SiLU") {}
  Tensor forward(const Tensor& x) override { return silu(x); }
};
struct Softplus : Module {
  Softplus() : Module("Softplus") {}
  Tensor forward(const Tensor& x) override { return softplus(x); }
};
struct Identity : Module {
  Identity() : Module("Identity") {}
  Tensor forward(const Tensor& x) override { return x; }
};
struct GELU : Module {
  explicit GELU(GeluForm form = GeluForm::exact)
      : Module(form == GeluForm::exact ? "GELU" : "GELU tanh"), form_(form) {}
  Tensor forward(const Tensor& x) override { return gelu(x, form_); }

 private:
  GeluForm form_;
};
struct LeakyReLU : Module {
  explicit LeakyReLU(double negative_slope = 0.01)
      : Module(to_text("LeakyReLU slope=", negative_slope)), slope_(negative_slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};
struct ELU : Module {
  explicit ELU(double alpha = 1.0) : Module(to_text("ELU alpha=", alpha)), alpha_(alpha) {}
  Tensor forward(const Tensor& x) override { return elu(x, alpha_); }

 private:
  double alpha_;
};
struct Softmax : Module {
  explicit Softmax(std::int64_t dim) : Module(to_text("Softmax dim=", dim)), dim_(dim) {}
  Tensor forward(const Tensor& x) override { return softmax(x, dim_); }

 private:
  std::int64_t dim_;
};
struct LogSoftmax : Module {
  explicit LogSoftmax(std::int64_t dim) : Module(to_text("LogSoftmax dim=", dim)), dim_(dim) {}
  Tensor forward(const Tensor& x) override { return log_softmax(x, dim_); }

 private:
  std::int64_t dim_;
};

}  // namespace descent::nn
