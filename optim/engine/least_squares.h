// Internal. What the rules of least squares share.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/optim/engine/line_search.h>

#include <cmath>

namespace descent::optim::detail {

/// a·v, for a (m, n) and v (n): (m).
inline Tensor product(const Tensor& a, const Tensor& v) {
  return matmul(a, v.unsqueeze(1)).squeeze(1);
}
inline double length(const Tensor& v) { return std::sqrt(inner(v, v)); }
inline bool is_finite(const Tensor& v) { return kernel::all_finite(v); }
/// True if an element of a bool tensor is true.
inline bool some(const Tensor& flags) { return any(flags).item() != 0; }

}  // namespace descent::optim::detail
