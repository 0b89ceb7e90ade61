// Internal. Estimates of the diagonal of the Hessian, for rules that have wants_curvature():
// Sophia.
#pragma once

#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/ledger.h>

namespace descent::optim::detail {

bool has_curvature(const Ledger& ledger);    ///< true if a rule has wants_curvature()
bool wants_curvature(const Ledger& ledger);  ///< true if a rule wants an estimate for the next step

/// Calls the closure and returns the loss. Leaves the gradients in the parameters and the estimates
/// in ledger.curvature. An estimate costs as much as a gradient: adds 1 to `evaluations`.
double evaluate_with_curvature(Ledger& ledger, const Closure& closure, std::int64_t& evaluations);

}  // namespace descent::optim::detail
