// Internal. Settings by name, "lr" or "adam.eps", from a layer of an optimizer inwards.
#pragma once

#include <descent/optim/engine/layer.h>

namespace descent::optim::detail {

double get_setting(Layer& outermost, std::string_view name, int group);
void set_setting(Layer& outermost, std::string_view name, Hyper value, int group);

}  // namespace descent::optim::detail
