// Internal. Reads states that earlier versions have saved.
#pragma once

#include <descent/optim/engine/state.h>

namespace descent::optim::detail {

/// Returns a state as the present rules expect it. In version 0.1 AMSGrad was a switch of Adam and
/// AdamW: such a state is rewritten for the rule AMSGrad. Any other state is returned unchanged.
State upgraded(const State& state);

}  // namespace descent::optim::detail
