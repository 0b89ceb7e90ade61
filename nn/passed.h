// Internal. A forward pass that keeps what each Linear layer took and gave.
#pragma once

#include <descent/nn/linear.h>

#include <vector>

namespace descent::nn::detail {

/// A Linear layer's input and output in a forward pass. A sample's gradient by the weight is the
/// product of the output's gradient and the input.
struct Passed {
  const Linear* layer;
  Tensor input, output;
};
/// True if the model is a Sequential of Linear layers and activations, which mix no rows. Classes
/// that derive from these may do anything, and do not count.
bool treats_rows_alone(Module& model);
/// model(x), for such a model. The result can be differentiated by the outputs of the layers, but
/// not by the weights.
Tensor pass(Module& model, const Tensor& x, std::vector<Passed>& passed);

}  // namespace descent::nn::detail
