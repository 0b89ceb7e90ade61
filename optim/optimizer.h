// Optimizer: a rule over the parameters of a model, with the wrappers around the rule.
//
//   optim::Optimizer optimizer(model.parameters(), optim::AdamW{.lr = 1e-3});
//   for (auto [x, y] : loader) {
//     optimizer.zero_grad();
//     nn::cross_entropy(model(x), y).backward();
//     optimizer.step();
//   }
//
// SAM, L-BFGS and Sophia need a closure. A closure computes the loss, calls backward() and returns
// the loss:
//
//   auto optimizer = optim::sam(optim::Optimizer(model.parameters(), optim::SGD{.lr = 0.1}));
//   double loss = optimizer.step([&] { …; loss.backward(); return loss; });
//
// A rule of least squares, as Levenberg–Marquardt, needs the residuals. Its closure returns them:
//
//   optim::Optimizer optimizer({a, b}, optim::LevenbergMarquardt{});
//   optimizer.step([&] { return a * exp(b * x) - y; });  // one step is a whole fit
//
// If a parameter has no gradient, a step skips the parameter: the weights do not decay, and the
// count of updates stays. If the gradient is 0, the parameter is updated. An optimizer never writes
// a gradient. One thread at a time may use an optimizer.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/optim/engine/closure.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/trace.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace descent::optim {

/// What a step does if a gradient has a NaN or an infinity.
enum class NonFinite {
  throw_error,  ///< throws NonFiniteError and changes nothing
  skip,         ///< changes no weight, and counts the step as skipped
  ignore        ///< makes the step all the same
};

/// A setting of a rule or wrapper, as Optimizer::fields() lists it.
struct Field {
  std::string name;  ///< its name: "lr"
  double value;      ///< its value at the present step; a switch reads as 0 or 1
  Range range;       ///< the legal values
  bool is_switch;    ///< true for a bool, false for a number
  std::string text;  ///< its text: "0.001", "cosine(0.001, 500)" or "true"
};

namespace detail {
class Groups;
class Layer;
/// Returns the loss as a number. While a step is being compiled the loss is not known: returns NaN.
/// With `returned`, moves the tensor there and returns NaN.
double value_of(Tensor&& loss, Tensor* returned);
/// Throws ValueError: step() got an empty function.
[[noreturn]] void fail_without_closure();
/// What Optimizer::get() and Optimizer::set() do. The search for the name begins at `outermost` and
/// goes inwards. If a value is refused, set_settings() sets none.
double get_setting(Layer& outermost, std::string_view name, int group);
/// The setting itself: a number or a schedule.
Hyper get_hyper(Layer& outermost, std::string_view name, int group);
void set_settings(Layer& outermost, std::string_view name,
                  const std::vector<std::pair<int, Hyper>>& values);  // by group; −1: all groups
}  // namespace detail

/// Updates the parameters of a model. An optimizer has one or more groups. A group is a set of
/// parameters with a rule. Wrappers such as clip_norm() take an optimizer and return the wrapped
/// one.
class Optimizer {
 public:
  /// Makes an optimizer of one group. The optimizer shares the parameters with the model.
  /// Parameters that require no gradient are frozen: steps skip them. Throws ValueError if there
  /// are no parameters, if a parameter is given twice, or if a setting is out of range. Throws
  /// GraphError if a parameter is no leaf, or if no parameter requires a gradient.
  template <class Rule, class Configuration = simd::Configuration>
  Optimizer(Parameters parameters, Rule rule) : Optimizer() {
    add_rule(std::move(parameters), detail::Code<Rule, Configuration>::make(std::move(rule)));
  }
  /// Makes an optimizer of one group of parameters without names. They are called "0", "1", ….
  template <class Rule, class Configuration = simd::Configuration>
  Optimizer(const std::vector<Tensor>& parameters, Rule rule)
      : Optimizer(named(parameters), std::move(rule)) {}

  /// Adds a group: parameters with a rule of their own. A group inherits nothing from other groups.
  /// If another group has a parameter of the same name, all names of the new group get a prefix, as
  /// in "group1.weight". Throws as the constructor. Throws StateError if the optimizer is wrapped,
  /// or if its weights are exchanged for their average.
  template <class Rule, class Configuration = simd::Configuration>
  void add_group(Parameters parameters, Rule rule) {
    add_rule(std::move(parameters), detail::Code<Rule, Configuration>::make(std::move(rule)));
  }
  /// Adds a group of parameters without names.
  template <class Rule, class Configuration = simd::Configuration>
  void add_group(const std::vector<Tensor>& parameters, Rule rule) {
    add_group<Rule, Configuration>(named(parameters), std::move(rule));
  }

  Optimizer(Optimizer&&) noexcept;             ///< moves; the source may then only be assigned to
  Optimizer& operator=(Optimizer&&) noexcept;  ///< moves; the source may then only be assigned to
  ~Optimizer();

  /// Makes the gradients of all parameters undefined.
  void zero_grad();
  /// Makes a step with the gradients that backward() left. Throws
  /// - GraphError if the optimizer needs a closure;
  /// - NonFiniteError if a gradient is NaN or infinite, unless set_non_finite() says otherwise;
  /// - ValueError if a schedule gives a value that is out of its setting's range.
  ///
  /// If a step throws, whatever throws, nothing has changed: no weight, slot, count or setting.
  /// Only a tracer that throws comes too late for that.
  void step();
  /// Makes a step with a closure. Clears the gradients, calls the closure, and makes a step with
  /// the gradients that the closure left. Some optimizers call the closure several times. The
  /// closure calls backward() and returns the loss, as a number or as a tensor of one element.
  /// Returns the loss of the first call. If takes_residuals() is true, the closure returns the
  /// residuals r in place of the loss, a tensor of any shape that the parameters lead to, and calls
  /// no backward(); the loss is then ½Σr². Throws as step(), and what the closure throws. If it
  /// throws, nothing of the optimizer and no weight has changed. The gradients are then those that
  /// the closure left, and what else the closure has changed stays changed.
  template <class F>
  requires std::is_invocable_v<F&>
  double step(F&& closure) {
    static_assert(!std::is_void_v<std::invoke_result_t<F&>>,
                  "a closure calls backward() and returns the loss, or returns residuals");
    if constexpr (requires { closure == nullptr; })
      if (closure == nullptr) detail::fail_without_closure();
    return step_with([&closure](Tensor* returned) -> double {
      if constexpr (std::is_convertible_v<std::invoke_result_t<F&>, Tensor>)
        return detail::value_of(Tensor(closure()), returned);
      else
        return static_cast<double>(closure());
    });
  }

  /// Returns a setting at the present step. A switch reads as 0 or 1. If wrappers have a setting of
  /// this name, the outermost of these wrappers counts; otherwise the rule of the group counts.
  /// "adam.eps" and "agc.eps" say whose setting is meant. If one ema lies inside another, the outer
  /// is called "ema2", as in the state. Throws ValueError for an unknown name or group.
  ///
  ///   optimizer.get("lr")  // 0.001
  double get(std::string_view name, int group = 0) const;
  /// Sets what get() reads to a number or a schedule. A setting of a rule is set in one group, or,
  /// if `group` is −1, in every group that has the setting. Throws ValueError for an unknown name,
  /// a value out of range, settings that do not go together, or a schedule for a switch. Then
  /// nothing changes.
  ///
  ///   optimizer.set("lr", optim::cosine(1e-3, 5000));
  void set(std::string_view name, Hyper value, int group = -1);
  /// Returns all settings: those of the wrappers, the outermost first, then those of the group's
  /// rule. Throws ValueError for an unknown group.
  std::vector<Field> fields(int group = 0) const;

  int groups() const;          ///< how many groups there are
  std::int64_t steps() const;  ///< steps taken or skipped
  /// Steps that were skipped because a gradient was not finite.
  std::int64_t skipped_steps() const;
  /// Calls of closures, by steps that did not throw. A step without a closure counts as 1.
  std::int64_t gradient_evaluations() const;
  const Parameters& parameters() const;  ///< the parameters of all groups, in order
  bool needs_closure() const;            ///< true if step() without a closure throws
  /// True if the update of each element depends on the gradients of that element alone.
  bool elementwise() const;
  /// The most weights that the rule takes, because it keeps a matrix; 0 for any number.
  std::int64_t most_weights() const;
  bool searches() const;  ///< true if the rule evaluates the loss as often as it likes: L-BFGS
  /// Why the last step of a rule that searches ended: the name of the setting that ended it
  /// ("tolerance_grad", "tolerance_change", "max_iter" or "max_eval"), or "no lower point" if
  /// nothing lower was found where the gradient is not small. "" before the first step, and for
  /// rules that make one move a step. No part of the state.
  std::string_view ended() const;
  /// True if a step needs the loss of all data, because a batch would mislead its search.
  bool full_batch() const;
  /// True if the closure is to return residuals, for a rule of least squares: Levenberg–Marquardt.
  bool takes_residuals() const;
  /// Sets what a step does if a gradient has a NaN or an infinity. Default: NonFinite::throw_error.
  /// The state of the optimizer holds the policy.
  void set_non_finite(NonFinite policy);

  /// Calls `tracer` after each step, once for each parameter that has a gradient. An empty tracer
  /// ends the tracing. If a step throws, the tracer is called as well, and the error of the step is
  /// thrown on afterwards. If the tracer throws, step() throws the same error, and the step has
  /// been made. A traced step copies the weights, so it is slower.
  void set_tracer(Tracer tracer);

  /// Exchanges the weights with their average. A second call puts the training weights back. If
  /// wrappers keep an average, as swa() and ema() do, the outermost of these wrappers counts.
  /// Otherwise the average of the rule counts (Schedule-Free, ASGD). Throws StateError if there is
  /// no average, or if the average has not begun. Between the two calls, step(), state_dict() and
  /// load_state_dict() throw StateError.
  void swap_average();
  /// True if there is an average that has begun. The average of swa() begins after its start, that
  /// of ema() after the first step, and that of a rule at once.
  bool has_average() const;

  /// Returns everything that training needs to go on with the same bits, settings included. A
  /// setting that follows a schedule is not included, because a schedule is code. Throws StateError
  /// while the weights are exchanged for their average.
  State state_dict() const;
  /// Loads what state_dict() returned. Throws StateError if the state does not fit; the message
  /// lists what is missing, unexpected or of another shape. Throws ValueError if a setting is out
  /// of range. If load_state_dict() throws, nothing has changed. A setting that was a number when
  /// the state was saved becomes this number, also if it follows a schedule now.
  void load_state_dict(const State& state);

  /// Returns the optimizer as text: "sam(adamw(lr=0.001, …), rho=0.05)". make() reads this text.
  /// Several groups are joined by " + ". make() does not read such text, because it does not say
  /// which parameters each group has.
  std::string to_string() const;

  /// For wrap(): replaces the outermost layer by what `make` makes of it. If make() throws, it has
  /// left the layer in its place.
  void wrap(
      const std::function<std::unique_ptr<detail::Layer>(std::unique_ptr<detail::Layer>&)>& make);
  friend class AverageGuard;
  /// For ReduceOnPlateau: a weak pointer to the outermost layer, which survives moves of this
  /// object.
  std::weak_ptr<detail::Layer> watch() const;

 private:
  Optimizer();
  static Parameters named(const std::vector<Tensor>& tensors);
  void add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule);
  double step_with(const detail::Closure& closure);
  void apply();
  static void make_step(detail::Layer& layer, class Update& update);
  static void apply_traced(detail::Layer& layer, const Tracer& tracer);
  detail::Layer* averager() const;   // the outermost layer that keeps an average; null if none does
  detail::Layer& outermost() const;  // the outermost layer; throws StateError after a move
  detail::Groups& rules() const;     // the innermost layer; throws StateError after a move

  std::unique_ptr<detail::Layer> layer_;  // the outermost layer; null after a move
  // Expires when this optimizer is wrapped, destroyed or assigned to. A compiled step that holds
  // layer_ asks.
  std::shared_ptr<void> current_ = std::make_shared<bool>();
};

/// Gives the model its averaged weights while the guard lives. The destructor puts the training
/// weights back, also if the optimizer was moved or wrapped in between. If the optimizer is
/// destroyed or assigned to earlier, the training weights are lost and the model keeps the averaged
/// weights.
///
///   const optim::AverageGuard averaged(optimizer);
///   std::cout << nn::accuracy(model(test.x), test.y);
class AverageGuard {
 public:
  /// Exchanges the weights with their average. Throws as Optimizer::swap_average().
  explicit AverageGuard(Optimizer& optimizer);
  ~AverageGuard();
  AverageGuard(const AverageGuard&) = delete;
  AverageGuard& operator=(const AverageGuard&) = delete;

 private:
  static void give_back(const std::weak_ptr<detail::Layer>& averager);
  std::weak_ptr<detail::Layer> averager_;
  std::shared_ptr<bool> recorded_;  // while a step is compiled: false if the way back is missing
};

}  // namespace descent::optim
