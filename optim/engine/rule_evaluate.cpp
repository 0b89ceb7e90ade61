// How a RuleStage makes gradients: once, with curvature, or as often as a search likes; and the
// averages that rules keep themselves.
#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/random.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/rule_stage.h>

#include <algorithm>

namespace descent::optim::detail {

double RuleStage::evaluate(const Closure& closure) {
  for (const Parameter& p : parameters_)
    if (p.value.requires_grad()) p.value.zero_grad();
  descent::detail::perform([this] { ++evaluations; });
  const bool wanted = std::any_of(groups_.begin(), groups_.end(), [this](const auto& rule) {
    return rule->wants_curvature({steps_ + 1, steps_});
  });
  const bool curves = std::any_of(groups_.begin(), groups_.end(),
                                  [](const auto& rule) { return rule->has_curvature(); });
  if (!curves && !searches()) return closure();
  if (descent::detail::recording())
    fail<GraphError>(
        name(),
        "got a step inside compile(), expected an eager one: what it evaluates differs "
        "from step to step");
  if (searches()) {
    closure_ = &closure;
    return loss_ = closure();
  }
  if (!wanted) return closure();
  double loss = 0;
  {
    const descent::detail::CreateGraphGuard graph;
    loss = closure();
  }
  estimate_curvature();
  return loss;
}

/// Hutchinson's estimate of the Hessian's diagonal, u ⊙ Hu for u of random signs: E[u ⊙ Hu] =
/// diag H. The closure has just left gradients with a graph; afterwards they have none.
void RuleStage::estimate_curvature() {
  std::vector<Tensor> leaves, gradients, probes;
  std::vector<std::size_t> indices;
  curvature_.resize(parameters_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor g = parameters_[i].value.grad();
    if (!g.defined() || !rule_of(i).has_curvature()) continue;
    curvature_[i] = zeros_like(parameters_[i].value);
    if (!g.requires_grad()) continue;  // linear in everything: no curvature
    Generator generator(static_cast<std::uint64_t>(steps_) * 1000003 + i);
    const Tensor sign = randint(0, 2, g.shape(), generator).to(g.dtype()) * 2 - 1;
    leaves.push_back(parameters_[i].value);
    gradients.push_back(g);
    probes.push_back(sign);
    indices.push_back(i);
  }
  if (!leaves.empty()) {
    const std::vector<Tensor> products = grad(gradients, leaves, probes, {.allow_unused = true});
    ++evaluations;
    for (std::size_t k = 0; k < leaves.size(); ++k)
      if (products[k].defined())
        kernel::copy(kernel::mul(probes[k], products[k]), curvature_[indices[k]]);
  }
  for (const Parameter& p : parameters_)
    if (const Tensor g = p.value.grad(); g.defined() && g.requires_grad())
      p.value.set_grad(g.detach());
}

bool RuleStage::needs_closure() const {
  return searches() || std::any_of(groups_.begin(), groups_.end(),
                                   [](const auto& rule) { return rule->has_curvature(); });
}

bool RuleStage::elementwise() const {
  return std::none_of(groups_.begin(), groups_.end(), [](const auto& rule) {
    return rule->is_whole() || rule->measures() || rule->searches();
  });
}

// ---- rules that search ----

bool RuleStage::searches() const { return search_ != nullptr; }

/// All parameters, or all gradients (0 where there is none), as one vector of doubles.
Tensor RuleStage::gather(bool gradients) const {
  const NoGradGuard guard;
  std::vector<Tensor> parts;
  for (const Parameter& p : parameters_) {
    const Tensor t = gradients ? p.value.grad() : p.value.detach();
    parts.push_back((t.defined() ? t : zeros_like(p.value)).to(kFloat64).reshape({-1}));
  }
  const double sign = gradients && groups_.front()->maximize() ? -1 : 1;
  return sign < 0 ? -cat(parts) : cat(parts).clone();
}

void RuleStage::scatter(const Tensor& x) const {
  const NoGradGuard guard;
  std::int64_t at = 0;
  for (const Parameter& p : parameters_) {
    const std::int64_t n = p.value.numel();
    kernel::copy(x.slice(0, at, at + n).reshape(p.value.shape()), p.value);
    ++p.value.body().storage->version;
    at += n;
  }
}

void RuleStage::search() {
  Search& s = *search_;
  s.x = gather(false);
  s.g = gather(true);
  s.loss = loss_;
  s.step = {memory_.front().t + 1, steps_};
  s.evaluate = [this](const Tensor& x) {
    scatter(x);
    for (const Parameter& p : parameters_)
      if (p.value.requires_grad()) p.value.zero_grad();
    ++evaluations;
    const double loss = [this] {
      const EnableGradGuard grad;
      return (*closure_)();
    }();
    return std::pair{loss, gather(true)};
  };
  const Tensor start = s.x;
  const Search before = s;
  try {
    groups_.front()->minimize(s);
  } catch (...) {  // of the closure: as if the step had not been
    scatter(start);
    s = before;
    throw;
  }
  scatter(s.x);
  closure_ = nullptr;
  ++steps_;
  for (Memory& m : memory_) ++m.t;
}

// ---- averages of a rule's own ----

bool RuleStage::keeps_average() const {
  return std::any_of(groups_.begin(), groups_.end(),
                     [](const auto& rule) { return rule->averages(); });
}

void RuleStage::refuse_while_swapped(const char* op) const {
  if (!training_.empty())
    fail<StateError>(op, "got weights that are exchanged for their average in ",
                     groups_.front()->card().name,
                     ", expected training weights. Hint: call swap_average() again first");
}

void RuleStage::swap_average() {
  const NoGradGuard guard;
  std::vector<Tensor> before;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    before.push_back(kernel::clone(parameters_[i].value));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& w = parameters_[i].value;
    if (!training_.empty()) {
      kernel::copy(training_[i], w);
    } else if (const Memory& m = memory_[i]; m.t > 0 && rule_of(i).averages()) {
      Scalars scalars{};
      std::copy(m.scalars.begin(), m.scalars.end(), scalars.begin());
      kernel::copy(rule_of(i).average({m.t, steps_, scalars.data()}, before[i], m.slots), w);
    }
    ++w.body().storage->version;
  }
  training_ = training_.empty() ? std::move(before) : std::vector<Tensor>();
}

}  // namespace descent::optim::detail
