// Internal. States of earlier versions.
#pragma once

#include <descent/optim/engine/state.h>

namespace descent::optim::detail {

/// A state of version 0.1 as today's rules expect it: there AMSGrad was a switch of Adam and AdamW.
/// Any other state as it is.
State upgraded(const State& state);

}  // namespace descent::optim::detail
