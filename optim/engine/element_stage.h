// Internal. ElementStage: runs element rules. The elements of all parameters are laid end to end
// and updated in one pass through memory.
#pragma once

#include <descent/optim/engine/element_rule.h>
#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/stage.h>

namespace descent::optim::detail {

/// Runs element rules.
class ElementStage final : public Stage {
 public:
  explicit ElementStage(Ledger& ledger);
  ~ElementStage() override;
  void plan(const Update& update) override;
  void run() override;

  /// Tries to use the last plan again. This works for compiled steps, whose gradients lie in the
  /// same memory each time. Returns true if the plan now holds the settings of the new step.
  /// Returns false if plan() must be called; also if `check_finite` is true and a gradient is not
  /// finite.
  bool plan_again(const Update& update, bool check_finite);
  /// True if a rule wants an estimate of the Hessian's diagonal for the next step.
  bool wants_curvature() const;
  /// Calls the closure and returns the loss. Leaves the gradients in the parameters, and keeps an
  /// estimate of the Hessian's diagonal. An estimate costs as much as a gradient: adds 1 to
  /// `evaluations`.
  double evaluate_with_curvature(const Closure& closure, std::int64_t& evaluations);
  /// Drops the plan, so that the next step makes a new one.
  void forget() { held_.clear(); }

 private:
  struct Binding;  // a rule at one step
  struct Work;     // one parameter that is updated
  const ElementRule& rule_of(std::size_t parameter) const {
    return static_cast<const ElementRule&>(ledger_.rule_of(parameter));
  }
  std::size_t bind(std::size_t parameter);
  void point_at_slots(Work& item);
  void estimate_curvature(std::int64_t& evaluations);
  void hold_plan();
  void measure();
  void run_span(const Work& item, std::int64_t from, std::int64_t n, double* sums) const;
  void share_numbers();

  std::vector<Tensor> curvature_;  // estimates of the Hessian's diagonal for the step under way
  std::vector<Binding> bindings_;  // the bound rules of this update; kept to reuse their memory
  std::vector<Work> work_;
  std::vector<Tensor> held_;  // if work_ may be used again: the gradients that it was made for
  bool holds_ = false;        // plan_again() has succeeded for this step
};

}  // namespace descent::optim::detail
