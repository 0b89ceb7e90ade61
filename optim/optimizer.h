// Optimizer: a rule over a model's parameters, and whatever wraps it.
//
//   optim::Optimizer optimizer(model.parameters(), optim::AdamW{.lr = 1e-3});
//   for (auto [x, y] : loader) {
//     optimizer.zero_grad();
//     nn::cross_entropy(model(x), y).backward();
//     optimizer.step();
//   }
//
// SAM, L-BFGS and Sophia need a closure, which computes the loss and calls backward():
//
//   auto optimizer = optim::sam(optim::Optimizer(model.parameters(), optim::SGD{.lr = 0.1}));
//   double loss = optimizer.step([&] { …; loss.backward(); return loss; });
//
// A parameter without a gradient is skipped: its weights do not decay, and its count of updates
// stays. A parameter whose gradient is zero is updated. An optimizer never writes a gradient. An
// optimizer is used by one thread at a time.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/trace.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace descent::optim {

/// What a step does if a gradient is NaN or infinite.
enum class NonFinite {
  throw_error,  ///< throws NonFiniteError and changes nothing
  skip,         ///< changes no weight and counts the step as skipped
  ignore        ///< steps as with any gradient
};

/// A setting of a rule or wrapper.
struct Field {
  std::string name;  ///< "lr"
  double value;      ///< at the present step; a switch reads as 0 or 1
  Range range;       ///< the legal values
  bool is_switch;    ///< true or false, in place of a number
  std::string text;  ///< "0.001", "cosine(0.001, 500)" or "true"
};

namespace detail {
class Groups;
class Layer;
/// The loss as a number; NaN inside a step that is being compiled, where the loss is not known.
double value_of(const Tensor& loss);
/// A rule's type erased, by what the library has compiled or by what this file compiles.
template <class Rule, class Configuration>
std::unique_ptr<AnyRule> erase(Rule rule) {
  if constexpr (built_in<Rule>)
    return Compiled<Rule>::make(std::move(rule));
  else
    return make_rule<Rule, Configuration>(std::move(rule));
}
}  // namespace detail

class Optimizer {
 public:
  /// An optimizer of one group: these parameters, with this rule. The optimizer shares the
  /// parameters with the model; frozen ones, which require no gradient, are skipped.
  /// Throws ValueError for no parameters, a parameter given twice, or a setting out of range.
  /// Throws GraphError for a parameter that is no leaf, or if no parameter requires a gradient.
  template <class Rule, class Configuration = simd::Configuration>
  Optimizer(Parameters parameters, Rule rule) : Optimizer() {
    add_rule(std::move(parameters), detail::erase<Rule, Configuration>(std::move(rule)));
  }
  /// The same for parameters without names, which are then called "0", "1", ….
  template <class Rule, class Configuration = simd::Configuration>
  Optimizer(const std::vector<Tensor>& parameters, Rule rule)
      : Optimizer(named(parameters), std::move(rule)) {}

  /// Adds parameters with a rule of their own. A group inherits nothing from other groups. If a
  /// name is taken by another group, all names of this one get a prefix: "group1.weight". Throws as
  /// the constructor. Throws StateError if the optimizer is wrapped, or while its weights are
  /// exchanged for their average.
  template <class Rule, class Configuration = simd::Configuration>
  void add_group(Parameters parameters, Rule rule) {
    add_rule(std::move(parameters), detail::erase<Rule, Configuration>(std::move(rule)));
  }
  /// The same for parameters without names.
  template <class Rule, class Configuration = simd::Configuration>
  void add_group(const std::vector<Tensor>& parameters, Rule rule) {
    add_group<Rule, Configuration>(named(parameters), std::move(rule));
  }

  Optimizer(Optimizer&&) noexcept;             ///< the other may only be assigned to afterwards
  Optimizer& operator=(Optimizer&&) noexcept;  ///< the other may only be assigned to afterwards
  ~Optimizer();

  /// Makes all gradients undefined.
  void zero_grad();
  /// Makes a step with the gradients that backward() left. Throws GraphError if the optimizer needs
  /// a closure; NonFiniteError for a gradient that is not finite, unless set_non_finite() says
  /// otherwise; ValueError if a schedule leaves its setting's range.
  void step();
  /// Clears the gradients, calls the closure, once or more often, and makes a step with the
  /// gradients that it left. The closure calls backward() and returns the loss, a number or a
  /// tensor of one element. Returns the loss of the first call. Throws as step(), and what the
  /// closure throws.
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

  /// Reads a setting at the present step: that of the outermost wrapper that has one of this name,
  /// else that of the group's rule. A switch reads as 0 or 1. "adam.eps" and "agc.eps" say whose
  /// setting is meant; of two wrappers alike the outer is "ema2", as in the state.
  /// Throws ValueError for an unknown name or group.
  ///
  ///   optimizer.get("lr")  // 0.001
  double get(std::string_view name, int group = 0) const;
  /// Replaces what get() reads by a number or a schedule. A setting of a rule is set in one group,
  /// or, for −1, in every group that has the setting. Throws ValueError for an unknown name, a
  /// value out of range, settings that do not go together, or a schedule for a switch; then nothing
  /// changes.
  ///
  ///   optimizer.set("lr", optim::cosine(1e-3, 5000));
  void set(std::string_view name, Hyper value, int group = -1);
  /// All settings: those of the wrappers, outermost first, and those of the group's rule.
  std::vector<Field> fields(int group = 0) const;

  int groups() const;                         ///< how many groups there are
  std::int64_t steps() const;                 ///< steps taken or skipped
  std::int64_t skipped_steps() const;         ///< steps skipped for gradients that were not finite
  std::int64_t gradient_evaluations() const;  ///< closures called; a step without one counts as 1
  const Parameters& parameters() const;       ///< of all groups, in their order
  bool needs_closure() const;                 ///< step() without a closure is an error
  bool elementwise() const;  ///< each element's update follows from its own gradients alone
  bool searches() const;     ///< evaluates the loss as often as it likes: L-BFGS
  /// What a step does from now on if a gradient is NaN or infinite. An error at first.
  void set_non_finite(NonFinite policy);

  /// From now on calls the tracer for each parameter after each step; an empty tracer ends that.
  /// After a step that throws the tracer is called too, and then the step's error goes on, before
  /// an error of the tracer. A traced step copies the weights.
  void set_tracer(Tracer tracer);

  /// Exchanges the weights with their average; a second call puts the training weights back. The
  /// average is that of the outermost of swa(), ema() and their kin; without such a wrapper, that
  /// of the rule (Schedule-Free, ASGD). Throws StateError if there is no average, or nothing in it
  /// yet.
  void swap_average();
  /// True if the average has begun: that of swa() after its start, that of ema() after the first
  /// step, that of a rule at once.
  bool has_average() const;

  /// Everything that training needs to go on with the same bits, settings included; a setting that
  /// follows a schedule is code and is not included. Throws StateError while the weights are
  /// exchanged for their average.
  State state_dict() const;
  /// Loads what state_dict() gave. Throws StateError that lists what is missing, unexpected or of
  /// another shape, and ValueError for a setting out of range; then nothing changes.
  void load_state_dict(const State& state);

  /// "sam(adamw(lr=0.001, …), rho=0.05)", which make() reads. Several groups are joined by " + ";
  /// make() does not read those, since the text does not say which parameters each group has.
  std::string to_string() const;

  /// For wrap(): replaces the outermost layer by what `make` makes of it.
  void wrap(
      const std::function<std::unique_ptr<detail::Layer>(std::unique_ptr<detail::Layer>)>& make);
  friend class AverageGuard;
  /// For what outlives moves of this object: the outermost layer for as long as it lives.
  std::weak_ptr<detail::Layer> watch() const;

 private:
  Optimizer();
  static Parameters named(const std::vector<Tensor>& tensors);
  void add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule);
  double step_with(const std::function<double()>& closure);
  void apply();
  static void apply_traced(detail::Layer& layer, const Tracer& tracer);
  detail::Layer* averager() const;  // the outermost layer that keeps an average, or null
  detail::Groups& rules() const;

  std::unique_ptr<detail::Layer> layer_;  // the outermost; null after a move
  detail::Groups* groups_;                // the innermost, owned by layer_
  std::shared_ptr<bool> current_ = std::make_shared<bool>(true);  // whether layer_ is still ours
};

/// Gives the model its averaged weights for as long as the guard lives, and then the training
/// weights back, also if the optimizer was moved or wrapped in between. If the optimizer is
/// destroyed or assigned to earlier, the training weights are lost, and the model keeps the
/// averaged weights.
class AverageGuard {
 public:
  /// Throws as Optimizer::swap_average().
  explicit AverageGuard(Optimizer& optimizer);
  ~AverageGuard();
  AverageGuard(const AverageGuard&) = delete;
  AverageGuard& operator=(const AverageGuard&) = delete;

 private:
  std::weak_ptr<detail::Layer> averager_;
};

}  // namespace descent::optim
