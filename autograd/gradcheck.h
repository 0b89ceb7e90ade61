// Checking gradients against central differences, in double.
//
//   const Tensor x = randn({3, 2}, kFloat64).requires_grad_();
//   const auto result = gradcheck([](const auto& in) { return tanh(in[0]); }, {x});
//   if (!result) std::cerr << result.message;
#pragma once

#include <descent/core/tensor.h>

#include <functional>

namespace descent {

/// A function from tensors to one tensor.
using TensorFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Options of gradcheck(). Two numbers agree if |analytic − numeric| <= atol + rtol·|numeric|.
struct GradcheckOptions {
  double step = 1e-6;      ///< the distance at which differences are taken
  double atol = 1e-6;      ///< the difference that is allowed at 0
  double rtol = 1e-5;      ///< the relative difference that is allowed
  std::uint64_t seed = 0;  ///< for the random weights by which outputs are summed
};

/// What gradcheck() found.
struct GradcheckResult {
  bool ok = true;                                ///< all gradients agree
  double worst = 0;                              ///< the largest |analytic − numeric|
  std::string message;                           ///< where the check failed, with both numbers
  explicit operator bool() const { return ok; }  ///< ok
};

/// Compares the gradient of f with differences, for every element of every input that requires a
/// gradient. The output of f is summed with random weights first. Throws DTypeError if such an
/// input is float32, because differences in float32 are too coarse.
GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options = {});
/// Checks second derivatives: does what gradcheck() does, but with the gradient of f in place of f.
GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options = {
                                  .step = 1e-5, .atol = 1e-5, .rtol = 1e-4});

}  // namespace descent
