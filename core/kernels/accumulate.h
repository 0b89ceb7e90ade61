// Adding one array to another in place. The engine sums gradients from several paths in this way.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// True if both tensors have the same shape, the same floating type and the same dense layout, but
/// different storages.
bool can_accumulate(const Tensor& to, const Tensor& from);
/// Computes to += factor · from. Needs can_accumulate(to, from). Does not count the write; see
/// count_write().
void accumulate(const Tensor& to, const Tensor& from, double factor = 1);

}  // namespace descent::kernel
