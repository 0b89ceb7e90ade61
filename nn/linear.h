// Linear: the fully connected layer.
// Legend: … any number of dimensions, or none.
#pragma once

#include <descent/core/activation.h>
#include <descent/nn/module.h>

namespace descent::nn {

/// y = x·Wᵀ + b: (…, in) → (…, out). As in PyTorch, weight and bias start uniform in ±1/√in. Throws
/// ShapeError unless x's last extent is `in`, DTypeError unless x has the weight's type.
///
/// In memory the weight lies as (in, out), so that the forward product runs along rows.
///
///   nn::Linear layer(64, 10);
///   Tensor y = layer(x);  // (32, 64) → (32, 10)
class Linear : public Module {
 public:
  /// Throws ValueError for an extent below 1.
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true);
  Tensor forward(const Tensor& x) override;
  /// Does what forward() does, and applies an activation in the same pass. Sequential uses this
  /// function.
  Tensor forward_activated(const Tensor& x, Activation activation);

  Param weight;  ///< (out, in)
  Param bias;    ///< (out); undefined without a bias
};

}  // namespace descent::nn
