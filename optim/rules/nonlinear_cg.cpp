#include <descent/optim/engine/line_descent.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/nonlinear_cg.h>

#include <algorithm>

namespace descent::optim {

namespace detail {

Tensor CgMemory::direction(const Tensor& g) {
  if (!last.defined()) return now_ = -g;
  const Tensor y = g - gradient;
  double b = 0;
  switch (beta) {
    case Beta::polak_ribiere:
      b = std::max(0.0, inner(g, y) / inner(gradient, gradient));
      break;
    case Beta::fletcher_reeves:
      b = inner(g, g) / inner(gradient, gradient);
      break;
    case Beta::hestenes_stiefel:
      b = inner(g, y) / inner(last, y);
  }
  return now_ = std::isfinite(b) ? last * b - g : -g;
}
double CgMemory::guess(const Tensor& g, double slope) const {
  return last.defined() ? fall / slope : rate * std::min(1.0, 1 / sum(abs(g)).item());
}
void CgMemory::learn(const Line& line) {
  last = now_;
  gradient = line.before;
  fall = line.t * line.slope;
}
bool CgMemory::forget() {
  const bool had = last.defined();
  last = gradient = Tensor();
  fall = 0;
  return had;
}
void CgMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("fall", fall, true);
  visit("direction", last, {n}, kFloat64, fall != 0);
  visit("gradient", gradient, {n}, kFloat64, fall != 0);
}

}  // namespace detail

void NonlinearCG::minimize(Search& s, Memory& memory) const {
  memory.rate = lr(s.step);
  memory.beta = fletcher_reeves    ? Memory::Beta::fletcher_reeves
                : hestenes_stiefel ? Memory::Beta::hestenes_stiefel
                                   : Memory::Beta::polak_ribiere;
  detail::descend(s, detail::line_limits(*this, s.step, 2.5, 0.1), memory);
}

}  // namespace descent::optim
