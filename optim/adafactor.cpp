#include <descent/autograd/ops.h>
#include <descent/optim/adafactor.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

std::optional<Shape> Adafactor::slot_shape(int slot, const Shape& w) const {
  const bool factored = w.rank() >= 2;
  if ((slot == 2) == factored) return {};
  Shape shape = w;
  if (slot == 0) shape.erase(w.rank() - 1);
  if (slot == 1) shape.erase(w.rank() - 2);
  return shape;
}

void Adafactor::update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const {
  if (w.numel() == 0) return;
  const auto t = static_cast<double>(s.t);
  const double beta = 1 - std::pow(t, -beta2_decay(s));
  const auto rms = [](const Tensor& x) { return std::sqrt(mean(square(x)).item()); };
  // Limited, so that no mean overflows float.
  const Tensor squares = clamp(square(g), {}, 1e30) + eps1(s);
  Tensor v;
  if (w.dim() >= 2) {
    const Tensor &row = state[0], &column = state[1];
    row.mul_(beta).add_(mean(squares, -1), 1 - beta);
    column.mul_(beta).add_(mean(squares, -2), 1 - beta);
    // Divided first: the product of two small means would vanish in float.
    v = clamp(row / mean(row, -1, true), 1e-37).unsqueeze(-1) * column.unsqueeze(-2);
  } else {
    v = state[2].mul_(beta).add_(squares, 1 - beta);
  }
  const Tensor u = g * rsqrt(v);
  const double size = std::max(eps2(s), rms(w)) * std::min(lr(s), 1 / std::sqrt(t));
  const double step = size / std::max(1.0, rms(u) / clip(s));
  w.mul_(1 - lr(s) * weight_decay(s)).sub_(u * step);
}

}  // namespace descent::optim
