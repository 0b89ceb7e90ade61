// Parameter: a tensor with a name. Modules own parameters, optimizers update them.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent {

/// A tensor that is trained, and the name by which messages and saved states call it.
struct Parameter {
  std::string name;  ///< dotted path of the modules: "fc1.weight"
  Tensor value;      ///< a leaf that requires a gradient
};

/// The parameters of a module or an optimizer, in a fixed order.
using Parameters = std::vector<Parameter>;

/// The gradient that a tensor has collected, as Tensor::grad() gives it, but without counting a
/// reference: for loops over many parameters. Returns an undefined tensor if there is none.
/// The reference is valid until the next backward(), set_grad() or zero_grad() of the tensor.
///
///   for (const Parameter& p : model.parameters())
///     if (const Tensor& g = grad_of(p.value); g.defined()) total += g.square().sum().item();
const Tensor& grad_of(const Tensor& parameter);

/// Replaces the values, shape and dtype of t behind every handle to t. The gradient is dropped.
/// For converting a module. Throws GraphError unless t is a leaf.
void set_data(const Tensor& t, const Tensor& value);

}  // namespace descent
