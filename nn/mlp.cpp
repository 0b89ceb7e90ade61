#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/nn/activations.h>
#include <descent/nn/layers.h>
#include <descent/nn/mlp.h>

#include <array>

namespace descent::nn {
namespace {

template <class Module>
void append(Sequential& model) {
  model.push_back(Module());
}

constexpr std::array kActivations{
    NamedActivation{"relu", "max(0, x)", append<ReLU>},
    NamedActivation{"tanh", "hyperbolic tangent, from -1 to 1", append<Tanh>},
    NamedActivation{"sigmoid", "1 / (1 + exp(-x)), from 0 to 1", append<Sigmoid>},
    NamedActivation{"gelu", "x times the normal distribution function of x", append<GELU>},
    NamedActivation{"silu", "x times sigmoid(x)", append<SiLU>},
    NamedActivation{"leaky_relu", "x above 0, 0.01 x below", append<LeakyReLU>},
    NamedActivation{"elu", "x above 0, exp(x) - 1 below", append<ELU>},
    NamedActivation{"softplus", "log(1 + exp(x)), a smooth relu", append<Softplus>},
};

}  // namespace

std::span<const NamedActivation> named_activations() { return kActivations; }

Sequential mlp(const MlpOptions& o) {
  const NamedActivation* activation = nullptr;
  std::vector<std::string> names;
  for (const NamedActivation& a : kActivations) {
    names.emplace_back(a.name);
    if (o.activation == a.name) activation = &a;
  }
  if (activation == nullptr)
    fail<ValueError>("mlp", "got the activation '", brief(o.activation), "', ",
                     expected_one_of(o.activation, names));
  Sequential model;
  std::int64_t width = o.inputs;
  for (const EmbeddedColumn& c : o.embedded) width += c.dim - 1;
  if (!o.embedded.empty()) model.push_back(EmbeddedColumns(o.embedded));
  for (const std::int64_t h : o.hidden) {
    if (h < 1) fail<ValueError>("mlp", "got a layer of ", h, " units, expected 1 or more");
    model.push_back(Linear(width, h));
    if (o.batch_norm) model.push_back(BatchNorm1d(h));
    activation->append(model);
    if (o.dropout > 0) model.push_back(Dropout(o.dropout));
    width = h;
  }
  model.push_back(Linear(width, o.outputs));
  return model;
}

}  // namespace descent::nn
