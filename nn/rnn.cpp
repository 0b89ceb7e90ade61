#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/init.h>
#include <descent/nn/rnn.h>

#include <cmath>

namespace descent::nn {

RNNCell::RNNCell(std::int64_t input, std::int64_t hidden, RnnNonlinearity f)
    : Module(to_text("RNNCell ", input, " -> ", hidden)), nonlinearity_(f) {
  if (input < 1 || hidden < 1)
    fail<ValueError>("RNNCell", "got input = ", input, " and hidden = ", hidden,
                     ", expected 1 or more");
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  weight_ih = register_parameter("weight_ih", empty({input, hidden}).t());
  weight_hh = register_parameter("weight_hh", empty({hidden, hidden}).t());
  bias_ih = register_parameter("bias_ih", empty({hidden}));
  bias_hh = register_parameter("bias_hh", empty({hidden}));
  for (const Tensor& t : {weight_ih, weight_hh, bias_ih, bias_hh}) init::uniform_(t, -bound, bound);
}

Tensor RNNCell::forward(const Tensor& x) {
  if (x.dim() != 2)
    fail<ShapeError>("rnn", "got ", x.shape(), ", expected (N, ", weight_ih.size(1), ")");
  return step(x, zeros({x.size(0), weight_hh.size(0)}, x.dtype()));
}

Tensor RNNCell::step(const Tensor& x, const Tensor& h) {
  const Tensor sum = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
  return nonlinearity_ == RnnNonlinearity::tanh ? tanh(sum) : relu(sum);
}

RNN::RNN(std::int64_t input, std::int64_t hidden, std::int64_t layers, RnnNonlinearity f)
    : Module(to_text("RNN ", input, " -> ", hidden, ", ", layers,
                     layers == 1 ? " layer" : " layers")) {
  if (layers < 1) fail<ValueError>("RNN", "got layers = ", layers, ", expected 1 or more");
  for (std::int64_t i = 0; i < layers; ++i)
    cells_.push_back(
        register_module(to_text("layer", i), RNNCell(i == 0 ? input : hidden, hidden, f)));
}

Tensor RNN::forward(const Tensor& x) {
  if (x.dim() != 3 || x.size(0) < 1)
    fail<ShapeError>("rnn", "got ", x.shape(), ", expected (T, N, ", cells_[0].weight_ih.size(1),
                     ") with at least one step");
  std::vector<Tensor> states;
  for (std::int64_t t = 0; t < x.size(0); ++t) states.push_back(x[t]);
  for (RNNCell& cell : cells_) {
    Tensor h = zeros({x.size(1), cell.weight_hh.size(0)}, x.dtype());
    for (Tensor& s : states) s = h = cell.step(s, h);
  }
  return stack(states);
}

}  // namespace descent::nn
