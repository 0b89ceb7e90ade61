#include <descent/autograd/engine.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/optim/engine/curvature.h>
#include <descent/optim/engine/element_rule.h>

#include <algorithm>

namespace descent::optim::detail {

namespace {

bool curves(const AnyRule& rule) {
  return rule.kind == RuleKind::element && static_cast<const ElementRule&>(rule).curves;
}

/// Hutchinson's estimate of the diagonal of the Hessian H: u ⊙ Hu, with u of random signs. The mean
/// of u ⊙ Hu over all u is diag H. The closure has left gradients with a graph. estimate() leaves
/// the same gradients without a graph.
void estimate(Ledger& ledger, std::int64_t& evaluations) {
  std::vector<Tensor> leaves, gradients, probes;
  std::vector<std::size_t> indices;
  ledger.curvature.resize(ledger.parameters.size());
  for (std::size_t i = 0; i < ledger.parameters.size(); ++i) {
    const Tensor g = ledger.parameters[i].value.grad();
    if (!g.defined() || !curves(ledger.rule_of(i))) continue;
    ledger.curvature[i] = zeros_like(ledger.parameters[i].value);
    if (!g.requires_grad()) continue;  // the loss is linear in this parameter: its curvature is 0
    Generator generator(static_cast<std::uint64_t>(ledger.steps) * 1000003 + i);
    const NoGradGuard no_grad;
    probes.push_back(randint(0, 2, g.shape(), generator).to(g.dtype()) * 2 - 1);
    leaves.push_back(ledger.parameters[i].value);
    gradients.push_back(g);
    indices.push_back(i);
  }
  if (!leaves.empty()) {
    const std::vector<Tensor> products = grad(gradients, leaves, probes, {.allow_unused = true});
    ++evaluations;
    const NoGradGuard no_grad;
    for (std::size_t k = 0; k < leaves.size(); ++k)
      if (products[k].defined()) ledger.curvature[indices[k]].copy_(probes[k] * products[k]);
  }
  for (const Parameter& p : ledger.parameters)
    if (const Tensor g = p.value.grad(); g.defined() && g.requires_grad())
      p.value.set_grad(g.detach());
}

}  // namespace

bool has_curvature(const Ledger& ledger) {
  return std::any_of(ledger.rules.begin(), ledger.rules.end(),
                     [](const auto& rule) { return curves(*rule); });
}

bool wants_curvature(const Ledger& ledger) {
  return std::any_of(ledger.rules.begin(), ledger.rules.end(), [&](const auto& rule) {
    return curves(*rule) &&
           static_cast<const ElementRule&>(*rule).wants_curvature({ledger.steps + 1, ledger.steps});
  });
}

double evaluate_with_curvature(Ledger& ledger, const Closure& closure, std::int64_t& evaluations) {
  double loss = 0;
  {
    const descent::detail::CreateGraphGuard graph;
    loss = closure();
  }
  estimate(ledger, evaluations);
  return loss;
}

}  // namespace descent::optim::detail
