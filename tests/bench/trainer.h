// The net of a workload with its data, its optimizer and its training step. The step is written as
// users write it.
#pragma once

#include "workloads.h"

#include <descent/descent.h>

#include <functional>

namespace bench {

using namespace descent;

inline optim::Optimizer make_optimizer(Rule rule, const Parameters& parameters, double lr,
                                       double adamw_decay = 1e-2) {
  switch (rule) {
    case Rule::sgd:
      return {parameters, optim::SGD{.lr = lr}};
    case Rule::momentum:
      return {parameters, optim::SGD{.lr = lr, .momentum = 0.9}};
    case Rule::adagrad:
      return {parameters, optim::AdaGrad{.lr = lr}};
    case Rule::rmsprop:
      return {parameters, optim::RMSProp{.lr = lr}};
    case Rule::adam:
      return {parameters, optim::Adam{.lr = lr}};
    case Rule::lbfgs:
      return {parameters, optim::LBFGS{.lr = lr, .max_iter = 1, .strong_wolfe = false}};
    default:
      return {parameters, optim::AdamW{.lr = lr, .weight_decay = adamw_decay}};
  }
}

inline nn::Sequential make_net(const Workload& w, DType dtype = kFloat32) {
  nn::Sequential net;
  for (std::size_t l = 0; l + 1 < w.widths.size(); ++l) {
    nn::Linear layer(w.widths[l], w.widths[l + 1]);
    const NoGradGuard guard;
    layer.weight.copy_(tensor(first_weight(w, l)).reshape({w.widths[l + 1], w.widths[l]}));
    layer.bias.zero_();
    net.push_back(layer);
    if (l + 2 == w.widths.size()) continue;
    if (w.activation == Activation::relu)
      net.push_back(nn::ReLU());
    else
      net.push_back(nn::Tanh());
  }
  net.to(dtype);
  return net;
}

inline Tensor loss_of(const Workload& w, nn::Sequential& net, const Tensor& x, const Tensor& y) {
  switch (w.loss) {
    case Loss::cross_entropy:
      return nn::cross_entropy(net(x), y);
    case Loss::bce:
      return nn::bce_with_logits(net(x), y);
    case Loss::mse:
      return nn::mse_loss(net(x), y);
    default: {  // the residual of u_t = 0.1·u_xx + f
      const Tensor position = x.narrow(1, 0, 1).detach().requires_grad_(),
                   time = x.narrow(1, 1, 1).detach().requires_grad_();
      const Tensor u = net(cat({position, time}, 1));
      const auto first = grad({u}, {position, time}, {ones_like(u)}, {.create_graph = true});
      const Tensor u_xx =
          grad({first[0]}, {position}, {ones_like(u)}, {.create_graph = true}).front();
      return mean(square(first[1] - 0.1 * u_xx - y));
    }
  }
}

class Trainer {
 public:
  Trainer(const Workload& w, double lr_scale, bool compiled, DType dtype = kFloat32)
      : w_(w),
        net_(make_net(w, dtype)),
        optimizer_(make_optimizer(w.rule, net_.parameters(), w.lr * lr_scale)),
        step_([this](const Tensor& index) { return train_on(index); }),
        compiled_(compile(step_)),
        use_compiled_(compiled) {
    const Samples samples = make_samples(w);
    x_ = tensor(samples.x).reshape({w.rows, -1}).to(dtype);
    y_ = w.loss == Loss::cross_entropy ? tensor(samples.labels)
                                       : tensor(samples.y).reshape({w.rows, -1}).to(dtype);
    order_ = tensor(samples.order);
    if (w.sam) optimizer_ = optim::sam(std::move(optimizer_));
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  void step() {
    const Tensor index = order_.narrow(0, steps_++ * w_.batch % w_.rows, w_.batch);
    loss_ = use_compiled_ ? compiled_(index) : step_(index);
  }
  double loss() const { return loss_.item(); }
  std::int64_t num_parameters() const { return net_.num_parameters(); }

 private:
  Tensor train_on(const Tensor& index) {
    const Tensor x = x_.index_select(0, index), y = y_.index_select(0, index);
    if (w_.sam || w_.rule == Rule::lbfgs) {
      Tensor first;  // of the evaluations
      optimizer_.step([&] {
        const Tensor l = loss_of(w_, net_, x, y);
        l.backward();
        if (!first.defined()) first = l;
        return l;
      });
      return first;
    }
    optimizer_.zero_grad();
    const Tensor l = loss_of(w_, net_, x, y);
    l.backward();
    optimizer_.step();
    return l;
  }

  using Step = std::function<Tensor(const Tensor&)>;
  Workload w_;
  nn::Sequential net_;
  optim::Optimizer optimizer_;
  Step step_;
  CompiledStep<Step> compiled_;
  bool use_compiled_;
  Tensor x_, y_, order_, loss_;
  std::int64_t steps_ = 0;
};

}  // namespace bench
