// Dropout: noise that keeps a network from relying on single units.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// While training, sets each element to 0 with probability p and multiplies the other elements by
/// 1/(1 − p). The expected value of an element stays the same. While evaluating, returns x itself.
/// An infinity that is dropped becomes NaN, as in PyTorch: a choice in place of the product would
/// take 1.8 times as long. x may have any shape. The random numbers come from default_generator().
/// Srivastava et al. 2014.
class Dropout : public Module {
 public:
  /// Throws ValueError unless 0 <= p <= 1.
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

}  // namespace descent::nn
