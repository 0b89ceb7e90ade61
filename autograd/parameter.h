// Parameter: a tensor with a name. Modules own parameters, optimizers update them.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent {

/// A tensor that is trained, with its name. Messages and saved states use the name.
struct Parameter {
  std::string name;  ///< dotted path of the modules: "fc1.weight"
  Tensor value;      ///< a leaf that requires a gradient
};

/// The parameters of a module or an optimizer, in a fixed order.
using Parameters = std::vector<Parameter>;

/// Makes the gradients of all parameters undefined. Leaves frozen parameters alone.
void zero_grad(const Parameters& parameters);

/// The gradient that a tensor has collected. It does what Tensor::grad() does without counting a
/// reference, for loops over many parameters. If there is no gradient, returns an undefined tensor.
/// The reference is valid until the next backward(), set_grad() or zero_grad() of the tensor.
///
///   for (const Parameter& p : model.parameters())
///     if (const Tensor& g = grad_of(p.value); g.defined()) total += g.square().sum().item();
const Tensor& grad_of(const Tensor& parameter);

/// Replaces the values, shape and dtype of t behind every handle to t. Drops the gradient of t.
/// Module::to() uses it. Throws GraphError unless t is a leaf.
void set_data(const Tensor& t, const Tensor& value);

}  // namespace descent
