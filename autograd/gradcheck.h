// Checking gradients against central differences, in double.
#pragma once

#include <descent/core/tensor.h>

#include <functional>

namespace descent {

using TensorFunction = std::function<Tensor(const std::vector<Tensor>&)>;

struct GradcheckOptions {
  double step = 1e-6;  ///< of the differences
  double atol = 1e-6, rtol = 1e-5;
  std::uint64_t seed = 0;  ///< of the weights by which outputs are summed
};

struct GradcheckResult {
  bool ok = true;
  double worst = 0;     ///< the largest |analytic − numeric|
  std::string message;  ///< where it failed, with both numbers
  explicit operator bool() const { return ok; }
};

/// Compares the gradient of a random weighted sum of f's output with differences, for every element
/// of every float64 input that requires a gradient. Throws DTypeError for float32 inputs, whose
/// differences mean nothing.
GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options = {});
/// The same for the gradient of f: checks second derivatives.
GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options = {
                                  .step = 1e-5, .atol = 1e-5, .rtol = 1e-4});

}  // namespace descent
