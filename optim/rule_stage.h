// The engine: runs the rules of all groups over all parameters in one pass. Internal.
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim::detail {

class RuleStage final : public Stage {
 public:
  RuleStage();
  ~RuleStage() override;
  void add(Parameters parameters, std::unique_ptr<AnyRule> rule);

  double evaluate(const Closure& closure) override;
  void apply(Update& update) override;
  const Parameters& parameters() const override { return parameters_; }
  void visit_fields(FieldVisitor& f, int group) override;
  std::string text() override;
  void save(State& state) const override;
  void expect(const State& state, std::vector<StateEntry>& entries) override;
  void load(const State& state) override;
  std::size_t groups() const { return groups_.size(); }
  /// Throws ValueError when a group's settings are out of range or do not go together.
  void check() const;

  std::int64_t steps() const override { return steps_; }

  std::int64_t skipped = 0, evaluations = 0;
  NonFinite policy = NonFinite::throw_error;

 private:
  /// What the rule keeps for one parameter.
  struct Memory {
    int group;
    std::int64_t t = 0;         // updates of this parameter
    std::vector<Tensor> slots;  // laid out as the parameter; undefined until needed
  };
  struct Binding;  // a rule at one step
  struct Work;     // one parameter's share of an update

  const Tensor& gradient(std::size_t parameter) const;
  std::size_t find_non_finite() const;
  bool skips(const Update& update);
  void plan(const Update& update);
  bool plan_again(const Update& update);
  void hold_plan();
  GradientView view(const Update& update, std::size_t parameter) const;
  std::size_t bind(int group, std::int64_t t, DType dtype);
  Tensor& slot(std::size_t parameter, int id);
  void load_fields(const State& state);
  std::string key(std::size_t parameter, std::string_view slot) const;
  void check_gradient(std::size_t parameter, const Tensor& g) const;

  std::int64_t steps_ = 0;
  bool warned_ = false;  // of a step without any gradient
  Parameters parameters_;
  std::vector<Memory> memory_;  // one per parameter
  std::vector<std::unique_ptr<AnyRule>> groups_;
  std::vector<Binding> bindings_;  // of the update under way; kept for their memory
  std::vector<Work> work_;
  std::vector<Tensor> held_;  // the gradients that work_ was made for, if it may serve again
};

}  // namespace descent::optim::detail
