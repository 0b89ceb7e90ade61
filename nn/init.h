// Initialisers: each writes a tensor's values in place, outside any graph, and returns the tensor.
//
//   nn::init::kaiming_normal_(layer.weight);
//
// All draw from default_generator(). For a weight (out, in, …), fan_in is the number of elements
// behind one output: size(1) times all extents behind it. fan_out is size(0) times those extents.
// Initialisers that need fans throw ShapeError for fewer than two dimensions.
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

/// Which of the two fans an initialiser divides by: `in` keeps the variance of values on the way
/// forward, `out` that of gradients on the way back.
enum class Fan { in, out };

/// @name Kaiming
/// Variance gain²/fan. He et al. 2015, arXiv:1502.01852. The gain defaults to the one for relu, √2.
/// @{
const Tensor& kaiming_uniform_(const Tensor& t, Fan fan = Fan::in,
                               double gain = 1.4142135623730951);
const Tensor& kaiming_normal_(const Tensor& t, Fan fan = Fan::in, double gain = 1.4142135623730951);
/// @}

/// Orthonormal rows (or columns, if there are more rows than columns), times gain; uniform over all
/// such matrices. Saxe et al. 2013, arXiv:1312.6120. Throws ShapeError unless t is a matrix.
const Tensor& orthogonal_(const Tensor& t, double gain = 1);

/// The gain that keeps the variance through an activation: relu √2, tanh 5/3, leaky_relu
/// √(2/(1 + slope²)), selu 3/4, linear and sigmoid 1. Throws ValueError for another name.
double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

}  // namespace descent::nn::init
