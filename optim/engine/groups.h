// Internal. Groups: the innermost layer of an optimizer. Groups holds the parameters and the rules
// of all groups, refuses gradients that cannot be used, and hands each step to the stages.
#pragma once

#include <descent/optim/engine/stages.h>
#include <descent/optim/optimizer.h>

#include <algorithm>
#include <set>

namespace descent::optim::detail {

/// The groups of an optimizer: parameters with their rules.
class Groups final : public Layer {
 public:
  Groups() : elements_(ledger_), tensors_(ledger_) {}
  /// Adds a group. Throws as Optimizer::add_group().
  void add(Parameters parameters, std::unique_ptr<AnyRule> rule);

  double evaluate(const Closure& closure) override;
  void apply(Update& update) override;
  std::string_view name() const override { return ledger_.rules.front()->card.name; }
  std::string text() override;
  void visit_fields(const FieldVisitor& f, int group, std::string_view owner) override;
  void state(StateVisitor& visit) override;
  bool needs_closure() const override {
    return any([](const AnyRule& r) { return r.kind == RuleKind::search || r.curves; });
  }
  bool elementwise() const override {
    return !any([](const AnyRule& r) { return r.kind != RuleKind::element || r.measures; });
  }
  /// The most weights that a group may have; 0 for any number.
  std::int64_t most_weights() const { return ledger_.rules.front()->card.most_weights; }
  bool keeps_average() const override {
    return any([](const AnyRule& r) { return r.averages; });
  }
  void swap_average() override;

  const Parameters& parameters() const { return ledger_.parameters; }
  std::size_t size() const { return ledger_.rules.size(); }  ///< how many groups
  std::string_view rule_name(std::size_t group) const { return ledger_.rules[group]->card.name; }
  std::int64_t steps() const { return ledger_.steps; }
  std::int64_t evaluations() const { return ledger_.evaluations; }
  /// Begins a step: nothing is to be put back yet.
  void begin() {
    ledger_.undo.clear();
    ledger_.evaluations_now = 0;
  }
  void count_evaluation() { ++ledger_.evaluations_now; }
  /// Ends a step that is to stay: counts its evaluations, and whether it was skipped. A call that
  /// would have made no step, as one within accumulate(), counts as no step.
  void finish(const Update& update);
  /// Puts back what the step under way has changed.
  void undo() { ledger_.undo.back_to(0); }
  /// What undo() puts back. A layer adds to it what the layer changes.
  UndoLog& undo_log() { return ledger_.undo; }
  /// Throws StateError if another tensor took a parameter's place in its module.
  void check_places(const char* op) const;
  /// Copies all weights into undo_log().
  void remember_weights();
  /// True if the rule is a search rule, which evaluates gradients while it steps: L-BFGS.
  bool searches() const { return search_ != nullptr; }
  std::string_view ended() const { return search_ ? search_->ended() : std::string_view(); }
  bool full_batch() const {
    return any([](const AnyRule& r) { return r.card.full_batch; });
  }
  /// True if the rule wants residuals from the closure.
  bool takes_residuals() const {
    return any([](const AnyRule& r) { return r.residuals; });
  }
  int group_of(std::size_t parameter) const { return ledger_.records[parameter].group; }
  bool maximizes(std::size_t parameter) const { return ledger_.rule_of(parameter).maximize(); }
  /// Throws ValueError if the settings of a group are out of range or do not go together.
  void check() const;
  /// Returns true if a gradient is not finite and such steps are skipped. Throws NonFiniteError if
  /// such steps are errors.
  bool refuses(const Update& update) const;

  std::int64_t skipped = 0;
  NonFinite policy = NonFinite::throw_error;
  Tracer tracer;

 private:
  /// True if f(rule) is true for the rule of a group.
  template <class F>
  bool any(F f) const {
    return std::ranges::any_of(ledger_.rules, [&](const auto& rule) { return f(*rule); });
  }
  void check_parameters(std::string_view rule, Parameters& parameters);
  void visit_policy(StateVisitor& visit);
  void check_gradients(const Update& update);
  bool has_large(const Update& update) const;
  bool slots_are_finite() const;
  std::size_t find_non_finite(const Update& update) const;

  Ledger ledger_;
  ElementStage elements_;
  TensorStage tensors_;
  std::unique_ptr<SearchStage> search_;
  std::set<std::string> names_;       // names of all parameters
  std::set<const void*> identities_;  // addresses of their tensors
  bool warned_ = false;               // a step without any gradient was reported
};

}  // namespace descent::optim::detail
