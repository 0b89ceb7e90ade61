// Einstein's notation for sums of products.
#pragma once

#include <descent/core/tensor.h>

#include <string_view>
#include <vector>

namespace descent {

/// Multiplies the operands and sums over every letter that the result lacks. The equation names the
/// dimensions of each operand by letters, separated by commas. Behind "->" it names the dimensions
/// of the result. Without "->" the result has the letters that occur once, in alphabetical order.
/// "..." stands for leading dimensions that broadcast. If a letter occurs twice in one operand, the
/// diagonal over both dimensions is taken.
/// Throws ValueError for an equation that cannot be read or does not fit the operands' shapes.
///
///   einsum("ij,jk->ik", {a, b})  // the matrix product
///   einsum("ii->i", {a})         // the diagonal
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);

}  // namespace descent
