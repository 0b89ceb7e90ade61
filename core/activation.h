// Activation: the functions that a matrix product can apply to its result in the same pass.
#pragma once

namespace descent {

/// What linear_activation() applies to x·Wᵀ + b.
enum class Activation { none, relu, tanh, sigmoid };

}  // namespace descent
