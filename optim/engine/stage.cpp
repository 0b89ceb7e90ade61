#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/engine/stage.h>

namespace descent::optim::detail {

Tensor& Ledger::slot(std::size_t i, int id) {
  Tensor& s = memory[i].kept[static_cast<std::size_t>(id)];
  const Tensor& w = parameters[i].value;
  if (s.defined() && s.strides() == w.strides() && s.shape() == w.shape() && s.dtype() == w.dtype())
    return s;
  const AnyRule& rule = rule_of(i);
  const auto shape = rule.slot_shape(id, w.shape());
  if (!shape) return s;
  const bool whole = rule.kind == RuleKind::tensor;
  if (!s.defined()) {
    s = whole ? zeros(*shape, w.dtype()) : zeros_like(w);
  } else if (!(s.shape() == *shape) || s.dtype() != w.dtype()) {
    fail<StateError>(rule.card.name, "got parameter '", parameters[i].name, "' of ", w.dtype(),
                     w.shape(), ", expected ", s.dtype(), s.shape(),
                     " as at the first step. Hint: convert a module before the optimizer is made");
  } else if (!whole && kernel::is_dense(w) && !(s.strides() == w.strides())) {
    Tensor moved = empty_like(w);
    kernel::copy(s, moved);
    s = moved;
  }
  return s;
}

std::string Ledger::key(std::size_t i, std::string_view name) const {
  return to_text(rule_of(i).card.name, "/", name, "/", parameters[i].name);
}

}  // namespace descent::optim::detail
