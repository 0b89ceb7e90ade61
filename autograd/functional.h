// Derivatives of functions: vjp, jvp, Jacobians, Hessians, by the names of torch.func and
// torch.autograd.functional.
//
//   auto f = [](const Tensor& x) { return sin(x) * x.sum(); };
//   Tensor j = jacobian(f, x);                // y.shape + x.shape
//   auto [y, pull] = vjp(f, x);               // pull(u) = Jᵀu
//   auto [z, slope] = jvp(f, x, v);           // slope = J·v
//   Tensor h = hessian([](const Tensor& x) { return (x * x).sum(); }, x);
//
// A function takes a tensor or a list of tensors, and gives a tensor, all of float or double:
//
//   auto g = [](const std::vector<Tensor>& in) { return (in[0] * in[1]).sum(); };
//   auto [slopes, value] = grad_and_value(g, {a, b});  // slopes[0] = ∂g/∂a
//
// The function must not write to its input. It may be differentiated to any order: a result is
// recorded if x, the tangent or the cotangent requires a gradient, or a tensor that the function
// captured. So these functions nest. Forward mode is computed by differentiating the pullback,
// which is linear in its argument. Legend: x the input, n its elements; y = f(x), m its elements; J
// the Jacobian (m, n).
#pragma once

#include <descent/core/tensor.h>

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace descent {

/// A function of a tensor.
using FunctionOfTensor = std::function<Tensor(const Tensor&)>;

/// y, and the function u ↦ Jᵀu from y's shape to x's. It may be called any number of times. Throws
/// GraphError if f's result is undefined.
std::pair<Tensor, FunctionOfTensor> vjp(const FunctionOfTensor& f, const Tensor& x);
/// y and Jᵀu. Throws ShapeError if u has another shape than y.
std::pair<Tensor, Tensor> vjp(const FunctionOfTensor& f, const Tensor& x, const Tensor& u);
/// y and J·v; v has x's shape. Throws ShapeError for another one.
std::pair<Tensor, Tensor> jvp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v);
/// y, and the function v ↦ J·v at x. f runs once.
std::pair<Tensor, FunctionOfTensor> linearize(const FunctionOfTensor& f, const Tensor& x);

/// @name The Jacobian ∂y/∂x
/// A tensor of y's extents followed by x's.
/// @{
Tensor jacrev(const FunctionOfTensor& f, const Tensor& x);  ///< row by row: m backward passes
Tensor jacfwd(const FunctionOfTensor& f, const Tensor& x);  ///< column by column: n forward passes
Tensor jacobian(const FunctionOfTensor& f, const Tensor& x);  ///< jacfwd if n < m, else jacrev
/// @}

/// The second derivatives of a function with one element: x's extents twice. n backward passes.
/// Throws ShapeError if f's result has more than one element.
Tensor hessian(const FunctionOfTensor& f, const Tensor& x);
/// y and H·v for a function with one element; H is its Hessian. Two backward passes. Throws as
/// hessian(), and ShapeError if v has another shape than x.
std::pair<Tensor, Tensor> hvp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v);
/// y and vᵀ·H, which is hvp() because H is symmetric.
std::pair<Tensor, Tensor> vhp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v);
/// The gradient of a function with one element, and its value. Throws as hessian().
std::pair<Tensor, Tensor> grad_and_value(const FunctionOfTensor& f, const Tensor& x);

/// @name As functions
/// torch.func's form: a function in place of the result, as in `grad(f)(x)` and
/// `jacrev(jacrev(f))`.
/// @{
FunctionOfTensor grad(FunctionOfTensor f);
FunctionOfTensor jacrev(FunctionOfTensor f);
FunctionOfTensor jacfwd(FunctionOfTensor f);
FunctionOfTensor jacobian(FunctionOfTensor f);
FunctionOfTensor hessian(FunctionOfTensor f);
std::function<std::pair<Tensor, Tensor>(const Tensor&)> grad_and_value(FunctionOfTensor f);
/// @}

/// A function of several tensors of one type.
class FunctionOfTensors {
 public:
  /// Takes any f. The compiler checks that f takes a list only where a list is given, so that a
  /// generic lambda may stand for a function of one tensor.
  template <class F>
  FunctionOfTensors(F f) : f_(std::move(f)) {}
  Tensor operator()(const std::vector<Tensor>& x) const { return f_(x); }  ///< f(x)

 private:
  std::function<Tensor(const std::vector<Tensor>&)> f_;
};

/// @name Of several tensors
/// What the functions of the same name give, with a list where x has a list: one Jacobian for each
/// input, and for hessian() the block of inputs i and j at [i][j]. They throw what the others
/// throw, DTypeError for inputs of different types, and ValueError for no inputs or for another
/// number of tangents.
/// @{
std::pair<Tensor, std::function<std::vector<Tensor>(const Tensor&)>> vjp(
    const FunctionOfTensors& f, const std::vector<Tensor>& x);
std::pair<Tensor, Tensor> jvp(const FunctionOfTensors& f, const std::vector<Tensor>& x,
                              const std::vector<Tensor>& v);
std::vector<Tensor> jacrev(const FunctionOfTensors& f, const std::vector<Tensor>& x);
std::vector<Tensor> jacfwd(const FunctionOfTensors& f, const std::vector<Tensor>& x);
std::vector<Tensor> jacobian(const FunctionOfTensors& f, const std::vector<Tensor>& x);
std::vector<std::vector<Tensor>> hessian(const FunctionOfTensors& f, const std::vector<Tensor>& x);
std::pair<Tensor, std::vector<Tensor>> hvp(const FunctionOfTensors& f, const std::vector<Tensor>& x,
                                           const std::vector<Tensor>& v);
std::pair<std::vector<Tensor>, Tensor> grad_and_value(const FunctionOfTensors& f,
                                                      const std::vector<Tensor>& x);
/// @}

/// The function that applies f to every slice of its input along `dim`, and stacks the results
/// along a new first dimension. It is a loop: f may use every operator, and takes as long as for
/// one slice after the other. A function that operators can apply to a whole batch is faster
/// without vmap. Throws ValueError for an input without this dimension, and ShapeError for one
/// without slices.
FunctionOfTensor vmap(FunctionOfTensor f, std::int64_t dim = 0);

}  // namespace descent
