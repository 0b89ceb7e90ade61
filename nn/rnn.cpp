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

// ---- sequences ----

Recurrent::Recurrent(const std::string& name, std::int64_t gates, std::int64_t input,
                     std::int64_t hidden, std::int64_t layers)
    : Module(to_text(name, " ", input, " -> ", hidden, ", ", layers,
                     layers == 1 ? " layer" : " layers")),
      hidden_(hidden) {
  if (input < 1 || hidden < 1 || layers < 1)
    fail<ValueError>(name, "got input = ", input, ", hidden = ", hidden, " and layers = ", layers,
                     ", expected 1 or more");
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  layers_.resize(static_cast<std::size_t>(layers));
  for (std::int64_t i = 0; i < layers; ++i) {
    Layer& l = layers_[static_cast<std::size_t>(i)];
    const std::string end = to_text("_l", i);
    l.weight_ih =
        register_parameter("weight_ih" + end, empty({i == 0 ? input : hidden, gates * hidden}).t());
    l.weight_hh = register_parameter("weight_hh" + end, empty({hidden, gates * hidden}).t());
    l.bias_ih = register_parameter("bias_ih" + end, empty({gates * hidden}));
    l.bias_hh = register_parameter("bias_hh" + end, empty({gates * hidden}));
    for (const Tensor& t : {l.weight_ih, l.weight_hh, l.bias_ih, l.bias_hh})
      init::uniform_(t, -bound, bound);
  }
}

Tensor Recurrent::forward(const Tensor& x) { return sequence(x).first; }

std::pair<Tensor, Recurrent::State> Recurrent::sequence(const Tensor& x, const State& start) {
  const char* const name = "recurrent";
  const std::int64_t features = layers_[0].weight_ih.size(1), layers = std::ssize(layers_);
  if (x.dim() != 3 || x.size(0) < 1 || x.size(2) != features)
    fail<ShapeError>(name, "got ", x.shape(), ", expected (T, N, ", features,
                     ") with at least one step");
  const std::int64_t steps = x.size(0), n = x.size(1);
  for (const Tensor& t : {start.h, start.c})
    if (t.defined() && !(t.shape() == Shape{layers, n, hidden_}))
      fail<ShapeError>(name, "got a state of ", t.shape(), ", expected ",
                       Shape{layers, n, hidden_});
  Tensor below = x;
  std::vector<Tensor> last_h, last_c;
  for (std::int64_t i = 0; i < layers; ++i) {
    const Layer& l = layers_[static_cast<std::size_t>(i)];
    const auto first = [&](const Tensor& t) {
      return t.defined() ? t[i] : zeros({n, hidden_}, x.dtype());
    };
    State s{first(start.h), has_cells() ? first(start.c) : Tensor()};
    const Tensor from_x = linear(below, l.weight_ih, l.bias_ih);  // all steps at once
    std::vector<Tensor> states;
    for (std::int64_t t = 0; t < steps; ++t) {
      s = step(from_x[t], s, l.weight_hh, l.bias_hh);
      states.push_back(s.h);
    }
    below = stack(states);
    last_h.push_back(s.h);
    if (has_cells()) last_c.push_back(s.c);
  }
  return {below, {stack(last_h), has_cells() ? stack(last_c) : Tensor()}};
}

Recurrent::State RNN::step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
                           const Tensor& bias_hh) {
  const Tensor sum = from_x + linear(s.h, weight_hh, bias_hh);
  return {nonlinearity_ == RnnNonlinearity::tanh ? tanh(sum) : relu(sum)};
}

Recurrent::State LSTM::step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
                            const Tensor& bias_hh) {
  const std::vector<Tensor> a = chunk(from_x + linear(s.h, weight_hh, bias_hh), 4, 1);
  const Tensor c = sigmoid(a[1]) * s.c + sigmoid(a[0]) * tanh(a[2]);
  return {sigmoid(a[3]) * tanh(c), c};
}

Recurrent::State GRU::step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
                           const Tensor& bias_hh) {
  const std::vector<Tensor> x = chunk(from_x, 3, 1),
                            h = chunk(linear(s.h, weight_hh, bias_hh), 3, 1);
  const Tensor z = sigmoid(x[1] + h[1]), n = tanh(x[2] + sigmoid(x[0] + h[0]) * h[2]);
  return {(1 - z) * n + z * s.h};
}

}  // namespace descent::nn
