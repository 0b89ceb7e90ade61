#include <descent/optim/rules/hessian_free.h>

#include <cmath>

namespace descent::optim {

void HessianFree::minimize(LeastSquares& p, Memory& memory) const {
  const auto half_square = [](const Tensor& r) { return detail::inner(r, r) / 2; };
  const Tensor g = p.vjp(p.r);
  if (const double size = detail::inner(g, g); !memory.begun && size > 0) {
    const Tensor along = p.jvp(g);
    const double first = damping(p.step) * detail::inner(along, along) / size;
    if (!std::isfinite(first)) return;
    memory = {first, true};
  }
  p.x = detail::truncated_newton(
      p.x, half_square(p.r), g, static_cast<std::int64_t>(max_cg(p.step)), memory.damping,
      [&](const Tensor& v) { return p.vjp(p.jvp(v)); },
      [&](const Tensor& x) { return half_square(p.evaluate(x)); });
}

}  // namespace descent::optim
