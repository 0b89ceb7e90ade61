// Internal. Closure: what a user hands to step(), with its type erased.
#pragma once

#include <descent/core/tensor.h>

#include <functional>

namespace descent::optim::detail {

/// Calls the closure of a step and returns the loss. With `returned`, stores there the tensor that
/// the closure returned, without reading it, and returns NaN. If the closure returned a number,
/// `returned` stays undefined.
using Closure = std::function<double(Tensor* returned)>;

}  // namespace descent::optim::detail
