// Internal. Curvature: an estimate of the diagonal of the Hessian, for rules that ask for one.
#pragma once

#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/ledger.h>

namespace descent::optim::detail {

bool has_curvature(const Ledger& ledger);    ///< whether a rule ever asks
bool wants_curvature(const Ledger& ledger);  ///< whether a rule asks for the next step

/// Calls the closure, leaves its gradients in the parameters, and the estimate in
/// ledger.curvature. Returns the loss. Counts the second evaluation in `evaluations`.
double evaluate_with_curvature(Ledger& ledger, const Closure& closure, std::int64_t& evaluations);

}  // namespace descent::optim::detail
