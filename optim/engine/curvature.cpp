// Estimates of the diagonal of the Hessian, for rules that have wants_curvature(): Sophia.
#include <descent/autograd/engine.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/optim/engine/stages.h>

#include <algorithm>

namespace descent::optim::detail {

bool ElementStage::wants_curvature() const {
  const Step next{ledger_.steps + 1, ledger_.steps};
  return std::ranges::any_of(ledger_.rules, [&](const auto& rule) {
    return rule->curves && static_cast<const ElementRule&>(*rule).wants_curvature(next);
  });
}

double ElementStage::evaluate_with_curvature(const Closure& closure) {
  const double loss = [&] {
    const descent::detail::CreateGraphGuard graph;
    return closure();
  }();
  estimate_curvature();
  return loss;
}

/// Hutchinson's estimate of the diagonal of the Hessian H: u ⊙ Hu, with u of random signs. The mean
/// of u ⊙ Hu over all u is diag H. The closure has left gradients with a graph. The estimate leaves
/// the same gradients without a graph.
void ElementStage::estimate_curvature() {
  std::vector<Tensor> leaves, gradients, probes;
  std::vector<std::size_t> indices;
  const Parameters& all = ledger_.parameters;
  curvature_.resize(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor g = all[i].value.grad();
    if (!g.defined() || !ledger_.rule_of(i).curves) continue;
    curvature_[i] = zeros_like(all[i].value);
    if (!g.requires_grad()) continue;  // the loss is linear in this parameter: its curvature is 0
    Generator generator(static_cast<std::uint64_t>(ledger_.steps) * 1000003 + i);
    const NoGradGuard no_grad;
    probes.push_back(randint(0, 2, g.shape(), generator).to(g.dtype()) * 2 - 1);
    leaves.push_back(all[i].value);
    gradients.push_back(g);
    indices.push_back(i);
  }
  if (!leaves.empty()) {
    const std::vector<Tensor> products = grad(gradients, leaves, probes, {.allow_unused = true});
    ++ledger_.evaluations;
    const NoGradGuard no_grad;
    for (std::size_t k = 0; k < leaves.size(); ++k)
      if (products[k].defined()) curvature_[indices[k]].copy_(probes[k] * products[k]);
  }
  for (const Parameter& p : all)
    if (const Tensor g = p.value.grad(); g.defined() && g.requires_grad())
      p.value.set_grad(g.detach());
}

}  // namespace descent::optim::detail
