// The problem on which optimizers are compared with tests/reference/optimizers.py.
#pragma once

#include <descent/descent.h>

#include <cmath>

namespace descent::testing {

/// f(a, b) = Σ ½ k_i (w_i − c_i)² + 2 sin(3 w_i), where w holds the elements of a (2, 3) and b (4).
/// The gradient changes its sign and its size.
struct Problem {
  Tensor a, b;

  explicit Problem(DType dtype = kFloat64, const Shape& b_shape = {4}) {
    const Tensor start = sin(arange(10, 20, 1, kFloat64) - 9);
    a = start.slice(0, 0, 6).reshape({2, 3}).to(dtype).clone().detach().requires_grad_();
    b = start.slice(0, 6).reshape(b_shape).to(dtype).clone().detach().requires_grad_();
  }
  Parameters parameters() const { return {{"a", a}, {"b", b}}; }

  Tensor loss() const {
    const DType dtype = a.dtype();
    const Tensor i = arange(0, 10, 1, kFloat64);
    const Tensor k = (square(i + 1) * 0.05).to(dtype), c = cos(i).to(dtype);
    const Tensor w = cat({a.reshape({-1}), b.reshape({-1})});
    return sum(k * square(w - c) * 0.5 + sin(w * 3) * 2);
  }
  /// What rules of least squares minimise: 29 residuals, which do not vanish together.
  Tensor residuals() const {
    const DType dtype = a.dtype();
    const Tensor i = arange(0, 10, 1, kFloat64);
    const Tensor k = (square(i + 1) * 0.05).to(dtype), c = cos(i).to(dtype);
    const Tensor w = cat({a.reshape({-1}), b.reshape({-1})});
    return cat({sqrt(k) * (w - c), sin(w * 3) * 2, w.slice(0, 0, 9) * w.slice(0, 1)});
  }
  /// What a closure of the optimizer returns: the loss, after backward(), or the residuals.
  Tensor returned(const optim::Optimizer& optimizer) const {
    if (optimizer.takes_residuals()) return residuals();
    const Tensor l = loss();
    l.backward();
    return l;
  }
  /// a and b in one row of 10, in double.
  Tensor values() const {
    const NoGradGuard guard;
    return cat({a.reshape({-1}), b.reshape({-1})}).to(kFloat64).detach().clone();
  }
  /// Takes the weights of another problem.
  void start_at(const Problem& other) const {
    const NoGradGuard guard;
    a.copy_(other.a);
    b.copy_(other.b);
  }
  double step(optim::Optimizer& optimizer) const {
    return optimizer.step([&] { return returned(optimizer); });
  }
};

}  // namespace descent::testing
