#include <descent/autograd/ops.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/rules/armijo_sgd.h>

#include <algorithm>

namespace descent::optim {

void detail::ArmijoMemory::state(StateVisitor& visit, std::int64_t) { visit("rate", rate, true); }

void ArmijoSgd::minimize(Search& s, Memory& m) const {
  const double square = detail::inner(s.g, s.g);
  double eta = m.rate > 0 ? std::min(lr(s.step), growth(s.step) * m.rate) : lr(s.step);
  for (auto left = static_cast<std::int64_t>(most(s.step)); left > 0; --left) {
    const Tensor there = s.x - s.g * eta;
    if (s.evaluate(there).first <= s.loss - c(s.step) * eta * square) {
      s.x = there;
      m.rate = eta;
      return;
    }
    eta *= shrink(s.step);
  }
}

}  // namespace descent::optim
