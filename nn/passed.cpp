#include <descent/autograd/ops.h>
#include <descent/nn/passed.h>
#include <descent/nn/sequential.h>

#include <typeinfo>

namespace descent::nn::detail {

bool treats_rows_alone(Module& model) {
  const std::type_info& type = typeid(model);
  if (type == typeid(Sequential)) {
    for (Module& step : static_cast<Sequential&>(model))
      if (!treats_rows_alone(step)) return false;
    return true;
  }
  return type == typeid(Linear) || type == typeid(ReLU) || type == typeid(Tanh) ||
         type == typeid(Sigmoid) || type == typeid(GELU) || type == typeid(SiLU) ||
         type == typeid(Softplus) || type == typeid(Identity);
}

Tensor pass(Module& m, const Tensor& x, std::vector<Passed>& passed) {
  if (auto* const list = dynamic_cast<ModuleList*>(&m)) {
    Tensor y = x;
    for (Module& step : *list) y = pass(step, y, passed);
    return y;
  }
  auto* const layer = dynamic_cast<Linear*>(&m);
  if (!layer) return m(x);
  const Tensor bias = layer->bias.defined() ? layer->bias.detach() : Tensor();
  Tensor y = linear(x, layer->weight.detach(), bias);
  if (!y.requires_grad()) y.requires_grad_();
  passed.push_back({layer, x.detach(), y});
  return y;
}

}  // namespace descent::nn::detail
