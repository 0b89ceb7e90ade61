// Internal. ElementStage: runs element rules over the elements of all parameters, laid end to end,
// in one pass through memory.
#pragma once

#include <descent/optim/engine/element_rule.h>
#include <descent/optim/engine/stage.h>

namespace descent::optim::detail {

class ElementStage final : public Stage {
 public:
  explicit ElementStage(Ledger& ledger);
  ~ElementStage() override;
  void plan(const Update& update) override;
  void run() override;

  /// True if the last plan serves again: a compiled step brings the same gradients each time, and
  /// they are finite if that is to be checked. The plan then has the numbers of the new step.
  bool plan_again(const Update& update, bool check_finite);
  /// Keeps no plan for the next step.
  void forget() { held_.clear(); }

 private:
  struct Binding;  // a rule at one step
  struct Work;     // one parameter's share of the update
  const ElementRule& rule_of(std::size_t parameter) const {
    return static_cast<const ElementRule&>(ledger_.rule_of(parameter));
  }
  std::size_t bind(std::size_t parameter);
  void point_at_slots(Work& item);
  void hold_plan();
  void measure();
  void run_span(const Work& item, std::int64_t from, std::int64_t n, double* sums) const;
  void share_numbers();

  std::vector<Binding> bindings_;  // of the update under way; kept for their memory
  std::vector<Work> work_;
  std::vector<Tensor> held_;  // the gradients that work_ was made for, if it may serve again
  bool holds_ = false;        // work_ serves the step under way for a second time
};

}  // namespace descent::optim::detail
