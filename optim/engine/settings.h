// Internal. Reads and sets settings by name: "lr", or "adam.eps" to say whose setting is meant.
#pragma once

#include <descent/optim/engine/layer.h>

namespace descent::optim::detail {

/// What Optimizer::get() and Optimizer::set() do. The search for the name begins at `outermost` and
/// goes inwards.
double get_setting(Layer& outermost, std::string_view name, int group);
void set_setting(Layer& outermost, std::string_view name, Hyper value, int group);

}  // namespace descent::optim::detail
