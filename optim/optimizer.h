// Optimizer: a rule over a model's parameters, and whatever wraps it.
//
//   optim::Optimizer optimizer(model.parameters(), optim::AdamW{.lr = 1e-3});
//   for (auto [x, y] : loader) {
//     optimizer.zero_grad();
//     nn::cross_entropy(model(x), y).backward();
//     optimizer.step();
//   }
//
// or, as SAM and its kin need, with a closure that computes the loss and calls backward():
//
//   auto optimizer = optim::sam(optim::Optimizer(model.parameters(), optim::SGD{.lr = 0.1}));
//   double loss = optimizer.step([&] { …; loss.backward(); return loss; });
//
// A parameter without a gradient is skipped: no decay, no count. One with a zero gradient is
// updated. Gradients are never written. Not thread-safe.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/pool_vector.h>
#include <descent/optim/engine/rule.h>

#include <map>
#include <string>
#include <vector>

namespace descent::optim {

/// State by name: "adamw/m/fc1.weight".
using State = std::map<std::string, Tensor>;

/// What happens when a gradient is NaN or infinite: throw NonFiniteError and change nothing; skip
/// the step and count it; or go on.
enum class NonFinite { throw_error, skip, ignore };

/// A field of a rule or wrapper.
struct Field {
  std::string name;
  double value;  // at the present step; a switch reads as 0 or 1
  Range range;
  bool is_switch;
};

/// What a step did to one parameter.
struct TraceRow {
  std::int64_t step;           // steps taken before this one
  std::string_view parameter;  // its name
  double gradient_norm;        // as backward() left it
  double used_norm;            // as the rule saw it, after clipping and its kin
  double weight_norm;          // before the step
  double update_norm;          // of what the step added to the weights
  double ratio;                // update_norm / weight_norm
  double effective_rate;       // update_norm / used_norm
  bool clipped;                // a wrapper made the gradient shorter
  std::int64_t non_finite;     // the first element of the gradient that is no number, or −1
};
using Tracer = std::function<void(const TraceRow&)>;
/// Writes rows to a CSV file, with a header. Throws FileError if it cannot be made.
Tracer csv_tracer(const std::string& path);

namespace detail {

using Closure = std::function<double()>;

/// How the rule sees each parameter's gradient: clamp(scale·g, ±limit). Scaling and clamping again
/// gives the same form, so wrappers nest in any order and none writes a gradient.
struct GradientView {
  double scale = 1, limit = kInfinity;
};
struct Update {
  descent::detail::PoolVector<GradientView> views;  // one per parameter
  /// Gradients that a wrapper made in place of the parameters' own; empty when there are none.
  descent::detail::PoolVector<Tensor> made;
  bool non_finite = false;  // a wrapper met a norm that is no number
  bool skipped = false;     // set further in: nothing was changed

  explicit Update(std::size_t parameters) : views(parameters) {}
  /// What the rule is to use for parameter i, before its view: undefined for none.
  const Tensor& gradient(const Parameters& all, std::size_t i) const;
  /// Puts g in place of parameter i's gradient, as it is to be seen from here on.
  void replace(const Parameters& all, std::size_t i, Tensor g);
  /// Parameter i's gradient as the rule would see it: a copy unless nothing changes it.
  Tensor seen(const Parameters& all, std::size_t i) const;
};

/// What a stage reads from a state.
struct StateEntry {
  std::string key;
  Shape shape;
  DType dtype;
  bool required;
};

/// One layer of an optimizer: the rule itself at the bottom, wrappers around it. A wrapper
/// overrides one of the two verbs: evaluate makes gradients, apply uses them.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual double evaluate(const Closure& closure) = 0;
  virtual void apply(Update& update) = 0;

  virtual const Parameters& parameters() const = 0;
  virtual std::int64_t steps() const = 0;  // taken or skipped so far: where schedules are read
  /// Its own fields: a wrapper's, or those of a rule's group, −1 for all. With an owner, only those
  /// of the wrapper or rule of that name.
  virtual void visit_fields(FieldVisitor& f, int group, std::string_view owner) = 0;
  virtual std::string text() = 0;
  virtual void save(State& state) const = 0;
  /// Lists what load() would read from this state, so that it can be checked before.
  virtual void expect(const State& state, std::vector<StateEntry>& entries) = 0;
  virtual void load(const State& state) = 0;
  virtual Stage* inner() { return nullptr; }
  virtual std::string_view name() const = 0;
  virtual bool needs_closure() const { return false; }
  /// True when each element's update follows from its own gradients alone.
  virtual bool elementwise() const = 0;
  /// Throws ValueError when a schedule gives a value out of range for the present step.
  virtual void check_schedules() = 0;
  /// True when an update with such gradients must not be made: it was counted, or throws.
  virtual bool refuses(const Update& update) = 0;
  /// True for a stage that keeps an average of the weights.
  virtual bool keeps_average() const { return false; }
  /// True when there is something in it by now.
  virtual bool has_average() const { return keeps_average(); }
  /// Exchanges the weights with it; throws StateError when there is nothing in it.
  virtual void swap_average() {}
  /// This stage as long as it lives, whichever optimizer has it by then.
  std::weak_ptr<Stage> watch() const { return self_; }

 private:
  std::shared_ptr<Stage> self_{this, [](Stage*) {}};  // owns nothing
};

/// A stage around another: everything passes through unless overridden.
class Wrapper : public Stage {
 public:
  explicit Wrapper(std::unique_ptr<Stage> inner) : inner_(std::move(inner)) {}
  double evaluate(const Closure& closure) override { return inner_->evaluate(closure); }
  void apply(Update& update) override { inner_->apply(update); }
  const Parameters& parameters() const override { return inner_->parameters(); }
  std::int64_t steps() const override { return inner_->steps(); }
  void visit_fields(FieldVisitor& f, int group, std::string_view owner) override;
  std::string text() override;
  void save(State& state) const override;
  void expect(const State& state, std::vector<StateEntry>& entries) override;
  void load(const State& state) override;
  Stage* inner() override { return inner_.get(); }
  bool needs_closure() const override { return inner_->needs_closure(); }
  bool elementwise() const override { return inner_->elementwise(); }
  void check_schedules() override;
  bool refuses(const Update& update) override { return inner_->refuses(update); }

 protected:
  virtual void own_fields(FieldVisitor& f) = 0;
  /// The name under which state is kept: "ema", or "ema2" for one around another.
  std::string key() const;
  std::unique_ptr<Stage> inner_;
};

class RuleStage;

/// The loss as a number; NaN inside a step that is being compiled, where it is not known.
double value_of(const Tensor& loss);

/// Throws ValueError for a field outside its range, naming rule, field, value and range.
void check_fields(std::string_view rule, const std::function<void(FieldVisitor&)>& visit);
/// Throws ValueError, in the name of `op`, for a switch that is not to be 0 or 1.
void check_switch(std::string_view op, std::string_view name, const Hyper& value);

}  // namespace detail

class Optimizer {
 public:
  /// Throws ValueError for no parameters, one given twice, or a bad hyper-parameter; GraphError for
  /// one that is no leaf, or when none requires a gradient (those that do not are frozen).
  template <class Rule>
  Optimizer(Parameters parameters, Rule rule) : Optimizer() {
    add_group(std::move(parameters), std::move(rule));
  }
  template <class Rule>
  Optimizer(const std::vector<Tensor>& parameters, Rule rule) : Optimizer() {
    add_group(parameters, std::move(rule));
  }
  /// More parameters with settings, or a rule, of their own. Nothing is inherited from other
  /// groups. If a name is taken already, the names get a prefix: "group1.weight". Throws as the
  /// constructor, and StateError for a wrapped optimizer or weights exchanged for their average.
  template <class Rule>
  void add_group(Parameters parameters, Rule rule) {
    add_rule(std::move(parameters), std::make_unique<detail::RuleOf<Rule>>(std::move(rule)));
  }
  template <class Rule>
  void add_group(const std::vector<Tensor>& parameters, Rule rule) {
    add_group(named(parameters), std::move(rule));
  }

  Optimizer(Optimizer&&) noexcept;
  Optimizer& operator=(Optimizer&&) noexcept;
  ~Optimizer();

  void zero_grad();
  /// Uses the gradients that backward() left.
  void step();
  /// Clears gradients, calls closure (perhaps more than once), and uses the gradients it left.
  /// closure returns the loss, a number or a tensor of one element. Returns the first one.
  template <class F>
  requires std::is_invocable_v<F&>
  double step(F&& closure) {
    return step_with([&closure]() -> double {
      if constexpr (std::is_convertible_v<std::invoke_result_t<F&>, Tensor>)
        return detail::value_of(Tensor(closure()));
      else
        return static_cast<double>(closure());
    });
  }

  /// Reads a hyper-parameter by name, of the outermost wrapper that has it, else of the group's
  /// rule, at the present step. "adam.eps" and "agc.eps" say whose is meant; of two alike around
  /// each other the outer is "ema2", as in the state. A switch reads as 0 or 1. Throws ValueError
  /// for an unknown name.
  double get(std::string_view name, int group = 0) const;
  /// Sets what get() reads, replacing a schedule; of rules, in every group that has it for −1.
  /// Throws ValueError for an unknown name, a value outside the range or a schedule for a switch,
  /// and then changes nothing.
  void set(std::string_view name, Hyper value, int group = -1);

  /// All fields: the wrappers', outermost first, and those of the group's rule.
  std::vector<Field> fields(int group = 0) const;

  int groups() const;
  std::int64_t steps() const;                 ///< steps taken or skipped
  std::int64_t skipped_steps() const;         ///< for non-finite gradients
  std::int64_t gradient_evaluations() const;  ///< closures called; steps without one count 1
  const Parameters& parameters() const;
  void set_non_finite(NonFinite policy);
  bool needs_closure() const;  ///< step() without one is an error
  bool elementwise() const;    ///< each element's update follows from its own gradients alone
  bool searches() const;       ///< evaluates as often as it likes: L-BFGS

  /// Called for each parameter after each step, also after one that throws, whose error then goes
  /// before the tracer's; an empty one turns it off, and then it costs nothing. On, it copies the
  /// weights at each step.
  void set_tracer(Tracer tracer);

  /// Exchanges the weights with their average; call it again to go on training. The average is that
  /// of the outermost of swa() and ema(), also while an inner one has begun earlier; without these,
  /// that of Schedule-Free or ASGD. Throws StateError when has_average() is false.
  void swap_average();
  /// True when that average has begun: swa()'s after its start, ema()'s after the first step, a
  /// rule's at once, as the weights themselves.
  bool has_average() const;

  /// Everything that training needs to go on with the same bits, hyper-parameters included.
  State state_dict() const;
  /// Throws StateError listing what is missing, unexpected or differently shaped; nothing is
  /// changed then.
  void load_state_dict(const State& state);

  /// "sam(adamw(lr=0.001, …), rho=0.05)", which make() reads; but several groups, joined by " + ",
  /// are only to be looked at: text does not say which parameters each has.
  std::string to_string() const;

  // For wrappers.
  using Wrap = std::function<std::unique_ptr<detail::Stage>(std::unique_ptr<detail::Stage>)>;
  friend Optimizer wrap(Optimizer inner, const Wrap& make);
  friend class AverageGuard;

 private:
  Optimizer();
  static Parameters named(const std::vector<Tensor>& tensors);
  void add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule);
  double step_with(const detail::Closure& closure);
  void apply();
  detail::Stage* averager() const;  // the outermost stage that keeps an average, or null
  static void apply_traced(detail::Stage& stage, const Tracer& tracer, bool searches);
  detail::RuleStage& rules() const;

  std::unique_ptr<detail::Stage> stage_;  // the outermost; null after a move
  detail::RuleStage* rules_;              // the innermost, owned by stage_
  std::shared_ptr<bool> current_ = std::make_shared<bool>(true);  // whether stage_ still is ours
};

/// While one lives, the model has the averaged weights; afterwards its own again, also when the
/// optimizer was moved or wrapped meanwhile. One that is destroyed or assigned to meanwhile takes
/// the training weights along: the model keeps the average.
class AverageGuard {
 public:
  /// Throws as swap_average().
  explicit AverageGuard(Optimizer& optimizer);
  ~AverageGuard();
  AverageGuard(const AverageGuard&) = delete;
  AverageGuard& operator=(const AverageGuard&) = delete;

 private:
  std::weak_ptr<detail::Stage> averager_;
};

Optimizer wrap(Optimizer inner, const Optimizer::Wrap& make);

}  // namespace descent::optim
