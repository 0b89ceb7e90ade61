// Adding one array to another in place: how gradients from several paths meet.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// True if both have one shape, one floating type and one dense layout, and different storages.
bool can_accumulate(const Tensor& to, const Tensor& from);
/// to += factor · from. Needs can_accumulate(to, from). Counts no write.
void accumulate(const Tensor& to, const Tensor& from, double factor = 1);

}  // namespace descent::kernel
