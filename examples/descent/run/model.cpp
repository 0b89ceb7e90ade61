#include "run/model.h"

#include <array>

namespace app {

using namespace descent;

namespace {

template <class Module>
void append(nn::Sequential& model) {
  model.push_back(Module());
}

constexpr std::array kActivations{
    Activation{"relu", "max(0, x)", append<nn::ReLU>},
    Activation{"tanh", "hyperbolic tangent, from -1 to 1", append<nn::Tanh>},
    Activation{"sigmoid", "1 / (1 + exp(-x)), from 0 to 1", append<nn::Sigmoid>},
    Activation{"gelu", "x times the normal distribution function of x", append<nn::GELU>},
    Activation{"silu", "x times sigmoid(x)", append<nn::SiLU>},
    Activation{"leaky_relu", "x above 0, 0.01 x below", append<nn::LeakyReLU>},
    Activation{"elu", "x above 0, exp(x) - 1 below", append<nn::ELU>},
    Activation{"softplus", "log(1 + exp(x)), a smooth relu", append<nn::Softplus>},
};

}  // namespace

std::span<const Activation> activations() { return kActivations; }

nn::Sequential make_model(const Options& o, const data::Dataset& d) {
  nn::Sequential model;
  std::int64_t width = d.num_features();
  const Activation& activation = choose("--activation", activations(), o.activation);
  for (const int h : o.hidden) {
    if (h == 0 && o.hidden.size() == 1) break;
    if (h < 1)
      fail<UsageError>(
          "--hidden", "got a layer of ", h,
          ", expected 1 or more units. Hint: --hidden 64,64, or --hidden 0 for a linear model");
    model.push_back(nn::Linear(width, h));
    if (o.batch_norm) model.push_back(nn::BatchNorm1d(h));
    activation.append(model);
    if (o.dropout > 0) model.push_back(nn::Dropout(o.dropout));
    width = h;
  }
  model.push_back(nn::Linear(width, d.is_classification() ? d.num_classes() : 1));
  return model;
}

}  // namespace app
