// Adding one array to another in place: how gradients from several paths meet.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// True when both have the same shape, floating type and dense layout.
bool can_accumulate(const Tensor& to, const Tensor& from);
/// to += from; needs can_accumulate.
void accumulate(const Tensor& to, const Tensor& from, double factor = 1);

}  // namespace descent::kernel
