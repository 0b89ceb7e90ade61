#include <descent/autograd/ops.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/optim/engine/stages.h>

#include <algorithm>

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
    Ledger::Record& m = ledger_.records[item.index];
    ledger_.remember(item.index, true);
    // The rule sees row-major tensors, so sums have the same order for every layout in memory.
    const Tensor own = ledger_.parameters[item.index].value.detach(), w = kernel::contiguous(own);
    Tensor g = kernel::contiguous(item.gradient);
    if (item.view.scale != 1) g = g * item.view.scale;
    if (item.view.limit != kInfinity) g = clamp(g, -item.view.limit, item.view.limit);
    rule.update({++m.t, ledger_.steps, m.numbers.data()}, w, g, m.kept);
    for (auto slot = m.kept.begin(); slot != m.kept.end(); ++slot) {
      // After `slots[0] = w` or `slots[1] = slots[0]` the slot must not follow later changes.
      const auto shares = [&](const Tensor& t) { return t.defined() && slot->shares_storage(t); };
      if (slot->defined() && (shares(own) || shares(w) || shares(item.gradient) ||
                              std::any_of(m.kept.begin(), slot, shares)))
        *slot = kernel::clone(*slot);
    }
    if (!w.shares_storage(own)) kernel::copy(w, own);
    descent::detail::count_write(own);
  }
  work_.clear();
}

}  // namespace descent::optim::detail
