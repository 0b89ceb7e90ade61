// The engine: runs the rules of all groups over all parameters in one pass. Internal.
#pragma once

#include <descent/optim/optimizer.h>
#include <descent/optim/rules/lbfgs.h>

namespace descent::optim::detail {

using Scalars = std::array<double, kMaxScalars>;

class RuleStage final : public Stage {
 public:
  RuleStage();
  ~RuleStage() override;
  void add(Parameters parameters, std::unique_ptr<AnyRule> rule);

  double evaluate(const Closure& closure) override;
  void apply(Update& update) override;
  const Parameters& parameters() const override { return parameters_; }
  void visit_fields(FieldVisitor& f, int group, std::string_view owner) override;
  std::string text() override;
  std::string_view name() const override { return groups_.front()->card().name; }
  bool needs_closure() const override;
  bool elementwise() const override;
  void check_schedules() override;
  bool refuses(const Update& update) override;
  /// True for a rule that says itself where its weights are to be evaluated.
  bool keeps_average() const override;
  void swap_average() override;
  /// True for a rule that evaluates gradients while it steps: L-BFGS.
  bool searches() const;
  void save(State& state) const override;
  void expect(const State& state, std::vector<StateEntry>& entries) override;
  void load(const State& state) override;
  std::size_t groups() const { return groups_.size(); }
  /// Throws ValueError when a group's settings are out of range or do not go together.
  void check() const;

  std::int64_t steps() const override { return steps_; }

  std::int64_t skipped = 0, evaluations = 0;
  NonFinite policy = NonFinite::throw_error;
  Tracer tracer;

 private:
  /// What the rule keeps for one parameter.
  struct Memory {
    int group;
    std::int64_t t = 0;           // updates of this parameter
    std::vector<Tensor> slots;    // laid out as the parameter; undefined until needed
    std::vector<double> scalars;  // the rule's own numbers
  };
  struct Binding;  // a rule at one step
  struct Work;     // one parameter's share of an update

  const AnyRule& rule_of(std::size_t parameter) const {
    return *groups_[static_cast<std::size_t>(memory_[parameter].group)];
  }
  std::size_t find_non_finite(const Update& update) const;
  void plan(const Update& update);
  bool plan_again(const Update& update);
  void hold_plan(const Update& update);
  GradientView view(const Update& update, std::size_t parameter) const;
  std::size_t bind(std::size_t parameter);
  void point_at_slots(Work& item);
  void measure();
  void share_scalars();
  void run();
  void run_span(const Work& item, std::int64_t from, std::int64_t n, double* sums) const;
  void run_whole();
  void estimate_curvature();
  void search();
  Tensor gather(bool gradients) const;
  void scatter(const Tensor& x) const;
  Tensor& slot(std::size_t parameter, int id);
  void load_fields(const State& state);
  std::string key(std::size_t parameter, std::string_view slot) const;
  void check_gradient(std::size_t parameter, const Tensor& g) const;
  void refuse_while_swapped(const char* op) const;

  std::int64_t steps_ = 0;
  bool warned_ = false;                             // of a step without any gradient
  bool some_measure_ = false, some_whole_ = false;  // of the groups' rules
  Parameters parameters_;
  std::vector<Memory> memory_;  // one per parameter
  std::vector<std::unique_ptr<AnyRule>> groups_;
  std::vector<Binding> bindings_;  // of the update under way; kept for their memory
  std::vector<Work> work_;
  std::vector<Tensor> held_;        // the gradients that work_ was made for, if it may serve again
  std::vector<Tensor> curvature_;   // estimates of the Hessian's diagonal, for the update under way
  std::unique_ptr<Search> search_;  // of a rule that searches
  const Closure* closure_ = nullptr;  // of the step under way, for such a rule
  double loss_ = 0;
  std::vector<Tensor> training_;  // weights that are exchanged for their average
};

}  // namespace descent::optim::detail
