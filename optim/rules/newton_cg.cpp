#include <descent/optim/rules/newton_cg.h>

namespace descent::optim {

void NewtonCG::minimize(Search& s, Memory& memory) const {
  if (!memory.begun) memory = {damping(s.step), true};
  s.x = detail::truncated_newton(s.x, s.loss, s.g, static_cast<std::int64_t>(max_cg(s.step)),
                                 memory.damping, s.hessian,
                                 [&](const Tensor& x) { return s.evaluate(x).first; });
}

}  // namespace descent::optim
