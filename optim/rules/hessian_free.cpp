#include <descent/optim/rules/hessian_free.h>

namespace descent::optim {

void HessianFree::minimize(LeastSquares& p, Memory& memory) const {
  const auto half_square = [](const Tensor& r) { return detail::inner(r, r) / 2; };
  if (!memory.begun) memory = {damping(p.step), true};
  p.x = detail::truncated_newton(
      p.x, half_square(p.r), p.vjp(p.r), static_cast<std::int64_t>(max_cg(p.step)), memory.damping,
      [&](const Tensor& v) { return p.vjp(p.jvp(v)); },
      [&](const Tensor& x) { return half_square(p.evaluate(x)); });
}

}  // namespace descent::optim
