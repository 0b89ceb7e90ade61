#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/rules/polyak.h>

#include <algorithm>

namespace descent::optim {

void Polyak::minimize(Search& s, Memory&) const {
  const double divisor = c(s.step) * detail::inner(s.g, s.g) + eps(s.step);
  const double above = std::max(s.loss - f_star(s.step), 0.0);
  if (divisor > 0) s.x = s.x - s.g * std::min(lr(s.step), above / divisor);
}

}  // namespace descent::optim
