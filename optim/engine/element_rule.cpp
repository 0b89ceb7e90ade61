#include <descent/optim/engine/element_rule.h>

namespace descent::optim::detail {

void fail_run(std::string_view rule, const char* member, bool twice) {
  fail<ValueError>(rule, "got a ", member, "() that ",
                   twice ? "called run more than once" : "did not call run",
                   ", expected it to call run(formula, names of slots…) once");
}

void fail_slot(std::string_view rule, std::string_view slot,
               std::span<const char* const> slot_names) {
  std::string all;
  for (const char* name : slot_names) all += to_text(all.empty() ? "" : ", ", name);
  fail<ValueError>(rule, "got run(formula, … \"", slot, "\" …), expected ",
                   all.empty() ? "no name: the rule has no slots" : "names of slots: " + all);
}

void fail_slot_count(std::string_view rule, int count, std::size_t slots) {
  fail<ValueError>(
      rule, "got a formula that takes ", count, " slots, expected at most ", slots,
      ". Hint: slot_names lists the slots of a rule; an estimate of the curvature, the "
      "last argument, needs wants_curvature(step)");
}

}  // namespace descent::optim::detail
