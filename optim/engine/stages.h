// Internal. What runs rules. Ledger: the parameters of an optimizer, with their rules and what is
// kept for each. Stage: runs the rules of one form. There are three stages, and each serves the
// parameters whose rules have its form.
#pragma once

#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

#include <vector>

namespace descent::optim::detail {

/// What the stages share.
struct Ledger {
  /// What the optimizer keeps for one parameter.
  struct Record {
    int group;                    // the number of its group
    std::uint32_t left = 0;       // Body::left when the group was added
    std::int64_t t = 0;           // updates of this parameter
    std::vector<Tensor> kept;     // the slots; each is undefined until it is needed
    std::vector<double> numbers;  // the rule's numbers for this parameter
  };

  Parameters parameters;
  std::vector<Record> records;                  // one for each parameter
  std::vector<std::unique_ptr<AnyRule>> rules;  // one for each group
  std::int64_t steps = 0;                       // steps of the optimizer, made or skipped
  std::int64_t evaluations = 0;                 // evaluations of gradients, by finished steps
  std::int64_t evaluations_now = 0;             // evaluations by the step under way
  UndoLog undo;                                 // puts back what the step under way has changed

  const AnyRule& rule_of(std::size_t parameter) const {
    return *rules[static_cast<std::size_t>(records[parameter].group)];
  }
  /// Returns a slot of a parameter. If the slot is new, it is filled with zeros. The slot of an
  /// element rule has the strides of the weights. Throws StateError if the shape or dtype of the
  /// weights has changed since the slot was made.
  Tensor& slot(std::size_t parameter, int id);
  /// Copies what is kept for a parameter into `undo`; with `weights`, copies its weights as well.
  void remember(std::size_t parameter, bool weights);
  /// The name of something kept, in the state: "adamw/m/fc1.weight".
  std::string key(std::size_t parameter, std::string_view name) const;
};

/// Runs the rules of one form.
class Stage {
 public:
  virtual ~Stage() = default;
  /// Lists the parameters to be updated. Changes no weight, and may throw.
  virtual void plan(const Update& update) = 0;
  /// Updates the parameters that plan() listed. If run() throws, Ledger::undo puts back what run()
  /// has changed. After ElementStage has begun to write weights, it throws nothing, and therefore
  /// copies none beforehand.
  virtual void run() = 0;

 protected:
  explicit Stage(Ledger& ledger) : ledger_(ledger) {}
  Ledger& ledger_;
};

/// Runs element rules. The elements of all parameters are laid end to end and updated in one pass
/// through memory.
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
  /// estimate of the Hessian's diagonal. An estimate costs as much as a gradient, and is counted as
  /// an evaluation.
  double evaluate_with_curvature(const Closure& closure);
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
  void make_slots(std::size_t parameter);
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

/// Runs tensor rules, one parameter after the other.
class TensorStage final : public Stage {
 public:
  explicit TensorStage(Ledger& ledger) : Stage(ledger) {}
  void plan(const Update& update) override;
  void run() override;

 private:
  struct Work {
    std::size_t index;
    Tensor gradient;
    GradientView view;
  };
  std::vector<Work> work_;
};

/// Runs a search rule, which evaluates the loss while it steps. The search rule sees all parameters
/// as one vector of doubles.
class SearchStage final : public Stage {
 public:
  SearchStage(Ledger& ledger, SearchRule& rule) : Stage(ledger), rule_(rule) {}
  /// Calls the closure of this step for the first time, and keeps it for run(). Returns the loss.
  double start(const Closure& closure);
  /// What of the first call is NaN, infinite, or too large to be squared: "the loss"; "" if
  /// nothing.
  std::string_view loss_not_finite() const;
  std::string_view gradient_not_finite() const;  ///< the same of the gradients
  void plan(const Update& update) override;
  void run() override;
  void state(StateVisitor& visit);  ///< lists the memory of the rule
  /// Why the last step ended; "" if the rule did not say.
  std::string_view ended() const { return ended_; }

 private:
  Tensor gather(bool gradients) const;
  void scatter(const Tensor& x) const;
  double start_with_graph(const Closure& closure);
  Tensor hessian_times(const Tensor& v);
  template <class F>
  auto evaluate(F f);
  Tensor residuals_of(const Closure& closure);
  /// Throws GraphError: the closure gave `got` in place of residuals.
  [[noreturn]] void refuse(const std::string& got) const;
  Tensor search(const Closure& closure);
  Tensor fit(const Closure& closure);

  SearchRule& rule_;
  const Closure* closure_ = nullptr;
  double loss_ = 0;
  std::string_view ended_;
  double epsilon_ = 0;          // of the dtype of the residuals
  std::vector<Tensor> slopes_;  // the gradients of the first call, with their graph
  Tensor residuals_;            // of the last call, (m) in double, with its graph
};

}  // namespace descent::optim::detail
