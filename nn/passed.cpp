#include <descent/autograd/ops.h>
#include <descent/nn/passed.h>
#include <descent/nn/sequential.h>

#include <set>

namespace descent::nn::detail {

bool treats_rows_alone(const Module& model) {
  static const std::set<std::string, std::less<>> known{
      "Sequential", "Linear", "ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "Softplus", "Identity"};
  bool alone = true;
  model.apply([&](const std::string&, const std::string& configuration, const Parameters&) {
    alone = alone && known.contains(configuration.substr(0, configuration.find(' ')));
  });
  return alone;
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
