// What SWA and EMA share: an average of the weights that follows them.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/update.h>

#include <vector>

namespace descent::optim::detail {

/// average += (weights − average)·share. The first time, the average is a copy of the weights.
/// Throws StateError, in the name of `wrapper`, if a weight has another dtype by now.
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
