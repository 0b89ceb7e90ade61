// Initialisers: each writes a tensor's values in place, outside any graph, and returns the tensor.
//
//   nn::init::kaiming_normal_(layer.weight);
//
// All random values come from default_generator(). For a weight (out, in, …), fan_in is size(1)
// times all extents after dimension 1. It is the number of inputs of one output. fan_out is size(0)
// times the same extents. Initialisers that need fans throw ShapeError for fewer than two
// dimensions.
#pragma once

#include <descent/core/tensor.h>

namespace descent::nn::init {

/// `value` everywhere.
const Tensor& constant_(const Tensor& t, double value);
/// Uniform in [low, high). Throws ValueError if low > high.
const Tensor& uniform_(const Tensor& t, double low = 0, double high = 1);
/// Normal. Throws ValueError for std < 0.
const Tensor& normal_(const Tensor& t, double mean = 0, double std = 1);

/// @name Xavier
/// Variance gain²·2/(fan_in + fan_out). Glorot & Bengio 2010.
/// @{
const Tensor& xavier_uniform_(const Tensor& t, double gain = 1);
const Tensor& xavier_normal_(const Tensor& t, double gain = 1);
/// @}

/// The fan by which an initialiser divides the variance. With `in` the forward pass keeps the
/// variance of the values. With `out` the backward pass keeps the variance of the gradients.
enum class Fan { in, out };

/// @name Kaiming
/// Variance gain²/fan. He et al. 2015, arXiv:1502.01852. The default gain √2 is for relu.
/// @{
const Tensor& kaiming_uniform_(const Tensor& t, Fan fan = Fan::in,
                               double gain = 1.4142135623730951);
const Tensor& kaiming_normal_(const Tensor& t, Fan fan = Fan::in, double gain = 1.4142135623730951);
/// @}

/// A random matrix with orthonormal rows, times gain. If there are more rows than columns, the
/// columns are orthonormal instead. All such matrices are equally likely. Saxe et al. 2013,
/// arXiv:1312.6120. Throws ShapeError unless t is a matrix.
const Tensor& orthogonal_(const Tensor& t, double gain = 1);

/// The gain that keeps the variance of values through an activation. It is √2 for relu, 5/3 for
/// tanh, √(2/(1 + slope²)) for leaky_relu, 3/4 for selu, and 1 for linear and sigmoid. Throws
/// ValueError for any other name.
double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

}  // namespace descent::nn::init
