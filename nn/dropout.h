// Dropout: noise that keeps a network from relying on single units.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// While training, zeroes each element with probability p and scales the others by 1/(1 − p), so
/// that the expected value stays. While evaluating, gives x itself. Any shape. Draws from
/// default_generator(). Srivastava et al. 2014.
class Dropout : public Module {
 public:
  /// Throws ValueError unless 0 <= p <= 1.
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

}  // namespace descent::nn
