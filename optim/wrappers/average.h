// What SWA and EMA share: bringing an average of the weights up to date.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim::detail {

/// Does average += (weights − average)·share. At the first call, the average becomes a copy of the
/// weights. Throws StateError if the dtype of a parameter has changed. `wrapper` begins the
/// message.
inline void follow(std::string_view wrapper, std::vector<Tensor>& average, const Update& u,
                   double share) {
  const bool first = average.empty();
  for (std::size_t i = 0; !first && i < u.size(); ++i)
    if (average[i].dtype() != u.weight(i).dtype())
      fail<StateError>(wrapper, "got parameter '", u.parameters()[i].name, "' of ",
                       u.weight(i).dtype(), ", expected ", average[i].dtype(),
                       " as in its average. Hint: convert a module before the optimizer is made");
  for (std::size_t i = 0; i < u.size(); ++i) {
    const Tensor w = u.weight(i);
    if (first)
      average.push_back(w.clone());
    else
      average[i].copy_(average[i] + (w - average[i]) * share);
  }
}

}  // namespace descent::optim::detail
