#include <descent/optim/engine/element_rule.h>

namespace descent::optim::detail {

void fail_run(std::string_view rule, const char* member, bool twice) {
  fail<ValueError>(rule, "got a ", member, "() that ",
                   twice ? "called run more than once" : "did not call run",
                   ", expected it to call run(formula, names of slots…) once");
}

void find_slots(BoundRule& bound, const RuleTraits& rule,
                std::initializer_list<std::string_view> named) {
  const auto slots = static_cast<int>(rule.slot_names.size());
  const auto given = static_cast<int>(named.size());
  if (given > 0 ? bound.slot_count != given : bound.slot_count > slots + rule.curves)
    fail<ValueError>(
        rule.card.name, "got a formula that takes ", bound.slot_count, " slots, expected at most ",
        given > 0 ? given : slots,
        ". Hint: slot_names lists the slots of a rule; an estimate of the curvature, the "
        "last argument, needs wants_curvature(step)");
  int k = 0;
  for (const std::string_view name : named) {
    const auto id = static_cast<int>(
        std::find(rule.slot_names.begin(), rule.slot_names.end(), name) - rule.slot_names.begin());
    const bool twice = std::find(bound.slot_ids, bound.slot_ids + k, id) != bound.slot_ids + k;
    if (id == slots || twice) {
      std::string all;
      for (const char* slot : rule.slot_names) all += to_text(all.empty() ? "" : ", ", slot);
      fail<ValueError>(rule.card.name, "got run(formula, … \"", name, "\" …), expected ",
                       slots == 0 ? "no name: the rule has no slots" : "names of slots: " + all);
    }
    bound.slot_ids[k++] = id;
  }
  for (; k < bound.slot_count; ++k) bound.slot_ids[k] = k < slots ? k : kCurvature;
}

std::array<bool, kMaxSlots> ElementRule::slots_in_use(DType dtype) const {
  std::array<bool, kMaxSlots> used{};
  double start[kMaxNumbers] = {};
  for (std::size_t k = 0; k < numbers.size(); ++k) start[k] = numbers[k].start;
  const double sums[kMaxSums] = {};
  for (const bool measuring : {false, measures}) {
    const BoundRule bound = bind({1, 0, start, sums}, dtype, measuring);
    for (int k = 0; k < bound.slot_count; ++k)
      if (bound.slot_ids[k] >= 0) used[static_cast<std::size_t>(bound.slot_ids[k])] = true;
  }
  return used;
}

}  // namespace descent::optim::detail
