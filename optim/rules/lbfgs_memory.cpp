#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/lbfgs_memory.h>

#include <cmath>

namespace descent::optim {

using detail::inner;

void LbfgsMemory::remember(const Tensor& g, std::size_t most) {
  const Tensor y = g - last_gradient, step = direction * t;
  const double ys_now = inner(y, step);
  if (!(ys_now > 1e-10)) return;
  ys.push_back(y);
  ss.push_back(step);
  while (ys.size() > most) {
    ys.erase(ys.begin());
    ss.erase(ss.begin());
  }
  scale = ys_now / inner(y, y);
}

Tensor LbfgsMemory::quasi_newton(const Tensor& g) const {
  Tensor q = -g;
  std::vector<double> alpha(ss.size());
  for (std::size_t i = ss.size(); i-- > 0;) {
    alpha[i] = inner(ss[i], q) / inner(ys[i], ss[i]);
    q = q - ys[i] * alpha[i];
  }
  q = q * scale;
  for (std::size_t i = 0; i < ss.size(); ++i)
    q = q + ss[i] * (alpha[i] - inner(ys[i], q) / inner(ys[i], ss[i]));
  return q;
}

void LbfgsMemory::state(StateVisitor& visit, std::int64_t n) {
  const Tensor numbers = visit.exchange(
      "numbers", tensor({t, scale, static_cast<double>(iterations)}, kFloat64), {3}, kFloat64);
  if (visit.loads() && numbers.defined()) {
    const std::vector<double> loaded = numbers.to_vector();
    if (!std::isfinite(loaded[0]) || !std::isfinite(loaded[1]) ||
        !(loaded[2] >= 0 && loaded[2] < 1e15))
      fail<ValueError>("lbfgs", "got ", loaded[0], ", ", loaded[1], " and ", loaded[2],
                       " from a state, expected a step length, a scale and a count");
    visit.replace(t, loaded[0]);
    visit.replace(scale, loaded[1]);
    visit.replace(iterations, static_cast<std::int64_t>(loaded[2]));
  }
  visit("direction", direction, {n}, kFloat64, iterations > 0);
  visit("last_gradient", last_gradient, {n}, kFloat64, iterations > 0);
  // All y are saved as one matrix with a row for each step, and so are all s. Both have as many
  // rows.
  const std::optional<Shape> found = visit.loads() ? visit.shape_of("y") : std::nullopt;
  const std::int64_t steps = found && found->rank() == 2 ? (*found)[0]
                             : visit.loads()             ? 0
                                                         : static_cast<std::int64_t>(ys.size());
  const auto list = [&](const char* name, std::vector<Tensor>& rows) {
    const Tensor matrix = visit.exchange(name, rows.empty() ? Tensor() : stack(rows, 0), {steps, n},
                                         kFloat64, found.has_value());
    if (!visit.loads()) return;
    std::vector<Tensor> loaded;
    for (std::int64_t i = 0; matrix.defined() && i < steps; ++i)
      loaded.push_back(matrix.select(0, i).clone());
    visit.replace(rows, std::move(loaded));
  };
  list("y", ys);
  list("s", ss);
}

}  // namespace descent::optim
