#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/rules/momo.h>

#include <algorithm>

namespace descent::optim {

void detail::MomoMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("direction", direction, {n}, kFloat64, false);
  visit("loss", loss, true);
  visit("slope", slope, true);
}

void MoMo::minimize(Search& s, Memory& m) const {
  const double keep = m.direction.defined() ? beta(s.step) : 0, rest = 1 - keep;
  m.direction = keep > 0 ? m.direction * keep + s.g * rest : s.g;
  m.loss = keep * m.loss + rest * s.loss;
  m.slope = keep * m.slope + rest * detail::inner(s.g, s.x);
  const double shrink = lr(s.step) * weight_decay(s.step), decay = 1 + shrink;
  const double above =
      decay * (m.loss - f_star(s.step) - m.slope) + detail::inner(m.direction, s.x);
  const double square = detail::inner(m.direction, m.direction);
  const double eta = square > 0 ? std::min(lr(s.step), std::max(above, 0.0) / square) : 0;
  s.x = s.x - m.direction * eta;
  if (shrink > 0) s.x = s.x / (s.has_gradient() * shrink + 1);
}

}  // namespace descent::optim
