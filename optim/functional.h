// Updates as functions: a step of SGD, Adam or AdamW that autograd records, so that the weights
// after many steps can be differentiated by the rate, by the weights at the start, or by whatever
// the gradients depend on.
//
//   Tensor lr = full({}, 0.1).requires_grad_();
//   optim::functional::State s{{w}};
//   for (int i = 0; i < 20; ++i) {
//     auto g = grad({loss(s.weights[0])}, s.weights, {}, {.create_graph = true});
//     s = optim::functional::sgd(s, g, {.lr = lr, .momentum = 0.9});
//   }
//   Tensor by_rate = grad({validation_loss(s.weights[0])}, {lr})[0];
//
// Without create_graph the gradients count as constants, as in first-order MAML. The updates are
// those of optim::SGD, optim::Adam and optim::AdamW. nn::functional_call() runs a module with the
// weights.
#pragma once

#include <descent/core/tensor.h>

#include <vector>

namespace descent::optim::functional {

/// One tensor for each weight.
using Tensors = std::vector<Tensor>;

/// A setting: a number, or a tensor with one element, by which results can be differentiated.
class Value {
 public:
  Value(double number) : number_(number) {}  ///< a number
  Value(int number) : number_(number) {}     ///< a whole number
  Value(Tensor t);                           ///< a tensor; throws ValueError for an undefined one
  Value(const char*) = delete;               // no text
  /// As a tensor () of this type. Throws ShapeError for a tensor of more elements.
  Tensor as(DType dtype) const;

 private:
  double number_ = 0;
  Tensor tensor_{};
};

/// Where an optimizer stands. `State s{weights}` is the start.
struct State {
  Tensors weights;         ///< they may have a history
  Tensors first{};         ///< momentum, or the mean of gradients; empty before the first step
  Tensors second{};        ///< the mean of squares; empty without one
  std::int64_t steps = 0;  ///< taken so far
};

/// Settings of sgd(), as in optim::SGD.
struct SgdOptions {
  Value lr = 1e-2;           ///< rate η
  Value momentum = 0.0;      ///< μ
  Value weight_decay = 0.0;  ///< λ, added to the gradient as λθ
  bool nesterov = false;     ///< looks ahead
};
/// b = μ·b + g, θ = θ − η·b; with `nesterov`, θ − η·(g + μ·b). A weight whose gradient is undefined
/// stays. Throws ShapeError unless there is a gradient of its shape for each weight.
State sgd(const State& s, const Tensors& gradients, const SgdOptions& options = {});

/// Settings of adam() and adamw(), as in optim::Adam.
struct AdamOptions {
  Value lr = 1e-3;           ///< rate η
  Value beta1 = 0.9;         ///< share of m that each step keeps, β₁
  Value beta2 = 0.999;       ///< share of v that each step keeps, β₂
  Value eps = 1e-8;          ///< ε
  Value weight_decay = 0.0;  ///< λ
};
/// Adam: Kingma & Ba 2015, arXiv:1412.6980. λθ is added to the gradient. Where v is 0, its root is
/// 0 and has no slope. Undefined gradients and errors as in sgd().
State adam(const State& s, const Tensors& gradients, const AdamOptions& options = {});
/// AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101. The weights shrink by η·λ. The default of
/// weight_decay is 0 here too. Otherwise as adam().
State adamw(const State& s, const Tensors& gradients, const AdamOptions& options = {});

}  // namespace descent::optim::functional
