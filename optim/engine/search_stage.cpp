#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/engine/stages.h>

namespace descent::optim::detail {

void SearchStage::start(const Closure& closure, double loss) {
  closure_ = &closure;
  loss_ = loss;
}

void SearchStage::plan(const Update& update) {
  for (std::size_t i = 0; i < update.size(); ++i)
    if (!update.gradient(i).is_same(ledger_.parameters[i].value.grad()))
      fail<StateError>(rule_.card.name, "got a gradient of '", ledger_.parameters[i].name,
                       "' that a wrapper has changed, expected the closure's. Hint: a wrapper that "
                       "changes gradients has the role changes_gradients, which goes not around ",
                       rule_.card.name);
}

/// Joins all parameters, or all gradients, to one vector of doubles. A missing gradient counts as
/// 0.
Tensor SearchStage::gather(bool gradients) const {
  std::vector<Tensor> parts;
  for (const Parameter& p : ledger_.parameters) {
    const Tensor t = gradients ? p.value.grad() : p.value.detach();
    parts.push_back((t.defined() ? t : zeros_like(p.value)).detach().to(kFloat64).reshape({-1}));
  }
  return gradients && rule_.maximize() ? -cat(parts) : cat(parts).clone();
}

void SearchStage::scatter(const Tensor& x) const {
  std::int64_t all = 0;
  for (const Parameter& p : ledger_.parameters) all += p.value.numel();
  if (!x.defined() || !(x.shape() == Shape{all}) || x.dtype() != kFloat64)
    fail<ShapeError>(rule_.card.name, "got a point ",
                     x.defined() ? to_text("of ", x.dtype(), x.shape()) : "without a tensor",
                     ", expected ", kFloat64, Shape{all}, ". Hint: it joins all parameters");
  std::int64_t at = 0;
  for (const Parameter& p : ledger_.parameters) {
    const std::int64_t n = p.value.numel();
    kernel::overwrite(x.slice(0, at, at + n).reshape(p.value.shape()), p.value);
    at += n;
  }
}

void SearchStage::run() {
  const Closure* const closure = std::exchange(closure_, nullptr);
  if (!closure)
    fail<StateError>(rule_.card.name,
                     "got a step without an evaluation, expected one of each. Hint: apply() calls "
                     "inner() at most once");
  Search s;
  s.x = gather(false);
  s.g = gather(true);
  s.loss = loss_;
  s.step = {ledger_.records.front().t + 1, ledger_.steps};
  s.evaluate = [this, closure](const Tensor& x) {
    scatter(x);
    zero_grad(ledger_.parameters);
    ++ledger_.evaluations_now;
    const EnableGradGuard grad;
    const double loss = [&] {
      const descent::detail::CallersMode floating;
      return (*closure)();
    }();
    const NoGradGuard no_grad;
    return std::pair{loss, gather(true)};
  };
  // The closure may throw, or x may have another size.
  for (std::size_t i = 0; i < ledger_.records.size(); ++i) ledger_.remember(i, true);
  rule_.remember(ledger_.undo);
  rule_.minimize(s);
  scatter(s.x);
  for (Ledger::Record& m : ledger_.records) ++m.t;
}

void SearchStage::state(StateVisitor& visit) {
  std::int64_t n = 0;
  for (const Parameter& p : ledger_.parameters) n += p.value.numel();
  visit.enter(to_text(rule_.card.name, "/search/"), ledger_.parameters);
  rule_.state(visit, n);
}

}  // namespace descent::optim::detail
