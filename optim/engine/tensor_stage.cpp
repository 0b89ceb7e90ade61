#include <descent/autograd/ops.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/optim/engine/tensor_stage.h>

namespace descent::optim::detail {

void TensorStage::plan(const Update& update) {
  work_.clear();
  for (std::size_t i = 0; i < ledger_.parameters.size(); ++i) {
    const AnyRule& rule = ledger_.rule_of(i);
    if (rule.kind != RuleKind::tensor || !update.raw(i).defined()) continue;
    for (std::size_t k = 0; k < rule.slot_names.size(); ++k) ledger_.slot(i, static_cast<int>(k));
    work_.push_back({i, update.raw(i), update.view(i)});
  }
}

void TensorStage::run() {
  for (const Work& item : work_) {
    const auto& rule = static_cast<const TensorRule&>(ledger_.rule_of(item.index));
    Ledger::Memory& m = ledger_.memory[item.index];
    // The rule sees row-major tensors, so sums have the same order for every layout in memory.
    const Tensor own = ledger_.parameters[item.index].value.detach(), w = kernel::contiguous(own);
    Tensor g = kernel::contiguous(item.gradient);
    if (item.view.scale != 1) g = g * item.view.scale;
    if (item.view.limit != kInfinity) g = clamp(g, -item.view.limit, item.view.limit);
    rule.update({++m.t, ledger_.steps, m.numbers.data()}, w, g, m.kept);
    for (Tensor& slot : m.kept)  // after `slots[0] = w` the slot must not follow later changes of w
      if (slot.defined() && (slot.shares_storage(own) || slot.shares_storage(w) ||
                             slot.shares_storage(item.gradient)))
        slot = kernel::clone(slot);
    for (std::size_t k = 1; k < m.kept.size(); ++k)  // after `slots[1] = slots[0]` likewise
      for (std::size_t j = 0; j < k; ++j)
        if (m.kept[k].defined() && m.kept[j].defined() && m.kept[k].shares_storage(m.kept[j]))
          m.kept[k] = kernel::clone(m.kept[k]);
    if (!w.shares_storage(own)) kernel::copy(w, own);
    descent::detail::count_write(own);
  }
  work_.clear();
}

}  // namespace descent::optim::detail
