// Initialisers: write a tensor's values in place, outside any graph, and return it.
// fan_in is size(1) and fan_out size(0) of a weight (out, in).
#pragma once

#include <descent/core/tensor.h>

namespace descent::nn::init {

const Tensor& constant_(const Tensor& t, double value);
const Tensor& uniform_(const Tensor& t, double low = 0, double high = 1);
const Tensor& normal_(const Tensor& t, double mean = 0, double std = 1);

/// Glorot & Bengio 2010: variance 2/(fan_in + fan_out), times gain².
const Tensor& xavier_uniform_(const Tensor& t, double gain = 1);
const Tensor& xavier_normal_(const Tensor& t, double gain = 1);

enum class Fan { in, out };
/// He et al. 2015, arXiv:1502.01852: variance gain²/fan; the gain defaults to relu's, √2.
const Tensor& kaiming_uniform_(const Tensor& t, Fan fan = Fan::in,
                               double gain = 1.4142135623730951);
const Tensor& kaiming_normal_(const Tensor& t, Fan fan = Fan::in, double gain = 1.4142135623730951);

/// Saxe et al. 2013, arXiv:1312.6120: rows (or columns, if there are more rows) orthonormal, times
/// gain; uniform over all such matrices. Needs two dimensions.
const Tensor& orthogonal_(const Tensor& t, double gain = 1);

/// The gain that keeps variance through an activation: relu √2, tanh 5/3, leaky_relu √(2/(1+s²)),
/// selu 3/4, linear and sigmoid 1. Throws ValueError for another name.
double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

}  // namespace descent::nn::init
