#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/optim/functional.h>

namespace descent::optim::functional {

namespace {

void check_kept(const char* op, const State& s, const Tensors& kept) {
  if (kept.empty()) return;
  bool fits = kept.size() == s.weights.size();
  for (std::size_t i = 0; fits && i < kept.size(); ++i)
    fits = kept[i].defined() && kept[i].shape() == s.weights[i].shape();
  if (!fits)
    fail<ShapeError>(op, "got a state that keeps ", kept.size(), " tensors for ", s.weights.size(),
                     " weights, or other shapes, expected the weights' shapes, or none");
}

void check(const char* op, const State& s, const Tensors& gradients) {
  for (const Tensor& w : s.weights)
    if (!w.defined()) fail<ShapeError>(op, "got a weight without a tensor");
  check_kept(op, s, s.first);
  check_kept(op, s, s.second);
  if (gradients.size() != s.weights.size())
    fail<ShapeError>(op, "got ", gradients.size(), " gradients for ", s.weights.size(), " weights");
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined() && !(gradients[i].shape() == s.weights[i].shape()))
      fail<ShapeError>(op, "got a gradient ", gradients[i].shape(), " for weight ", i,
                       ", expected ", s.weights[i].shape());
}

Tensors zeros_for(const Tensors& weights) {
  Tensors all;
  for (const Tensor& w : weights) all.push_back(zeros_like(w));
  return all;
}

/// √v, whose slope at 0 counts as 0: it is infinite there, and its product with a slope of 0 NaN.
Tensor root(const Tensor& v) {
  const Tensor positive = v > 0;
  return where(positive, sqrt(where(positive, v, ones_like(v))), zeros_like(v));
}

State adam_step(const char* op, const State& s, const Tensors& gradients, const AdamOptions& o,
                bool decoupled) {
  check(op, s, gradients);
  State next = s;
  if (next.first.empty()) next.first = zeros_for(s.weights);
  if (next.second.empty()) next.second = zeros_for(s.weights);
  const auto t = static_cast<double>(++next.steps);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const DType dtype = s.weights[i].dtype();
    const Tensor lr = o.lr.as(dtype), b1 = o.beta1.as(dtype), b2 = o.beta2.as(dtype);
    const Tensor decay = o.weight_decay.as(dtype);
    Tensor &w = next.weights[i], &m = next.first[i], &v = next.second[i];
    const Tensor g = decoupled ? gradients[i] : gradients[i] + decay * w;
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    const Tensor divisor = root(v) / sqrt(1 - pow(b2, t)) + o.eps.as(dtype);
    const Tensor step =
        lr / (1 - pow(b1, t)) * m / where(divisor == 0, ones_like(divisor), divisor);
    w = (decoupled ? (1 - lr * decay) * w : w) - where(divisor == 0, zeros_like(step), step);
  }
  return next;
}

}  // namespace

Value::Value(Tensor t) : tensor_(std::move(t)) {
  if (!tensor_.defined())
    fail<ValueError>("optim", "got a setting without a tensor, expected a number or a tensor");
}

Tensor Value::as(DType dtype) const {
  if (!tensor_.defined()) return full({}, number_, dtype);
  if (tensor_.numel() != 1)
    fail<ShapeError>("optim", "got a setting of shape ", tensor_.shape(), ", expected one element");
  return tensor_.reshape({}).to(dtype);
}

State sgd(const State& s, const Tensors& gradients, const SgdOptions& o) {
  check("sgd", s, gradients);
  State next = s;
  if (next.first.empty()) next.first = zeros_for(s.weights);
  ++next.steps;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const DType dtype = s.weights[i].dtype();
    const Tensor momentum = o.momentum.as(dtype);
    Tensor &w = next.weights[i], &b = next.first[i];
    const Tensor g = gradients[i] + o.weight_decay.as(dtype) * w;
    b = momentum * b + g;
    w = w - o.lr.as(dtype) * (o.nesterov ? g + momentum * b : b);
  }
  return next;
}

State adam(const State& s, const Tensors& gradients, const AdamOptions& o) {
  return adam_step("adam", s, gradients, o, false);
}
State adamw(const State& s, const Tensors& gradients, const AdamOptions& o) {
  return adam_step("adamw", s, gradients, o, true);
}

}  // namespace descent::optim::functional
