// Update and Evaluation: a step on its way from the outermost wrapper to the rule. Evaluation is
// what a wrapper sees while gradients are made. Update is what a wrapper sees while gradients are
// used.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/pool_vector.h>
#include <descent/optim/engine/card.h>
#include <descent/optim/engine/closure.h>

#include <functional>

namespace descent::optim {

namespace detail {

class Layer;
class Groups;

/// How the rule sees a gradient: clamp(scale·g, ±limit). If a wrapper scales or limits once more,
/// the result has the same form. Wrappers can therefore nest in any order, and no wrapper writes a
/// gradient.
struct GradientView {
  double scale = 1, limit = kInfinity;
};

}  // namespace detail

/// A step that is being made. The apply() of a wrapper reads gradients from the Update and says how
/// the rule is to see the gradients. Then apply() calls inner() for the step itself. Meanwhile
/// autograd does not record.
///
/// Parameters are numbered from 0. A gradient is what backward() left, with the changes that
/// wrappers further out have made. Update never writes the gradients that the parameters hold.
class Update {
 public:
  std::size_t size() const { return parameters_->size(); }       ///< how many parameters there are
  const Parameters& parameters() const { return *parameters_; }  ///< all parameters, with names
  /// The weights of parameter i. A wrapper may read the weights, and write them in place:
  /// weight(i).copy_(x).
  Tensor weight(std::size_t i) const { return (*parameters_)[i].value.detach(); }
  /// How many steps the optimizer has taken before this one. Settings are read with it: lr(step()).
  std::int64_t step() const { return step_; }

  /// The gradient of parameter i, which must not be written. Undefined if the parameter has no
  /// gradient.
  /// Clone the tensor to keep it beyond apply(): the next backward() may write to its memory.
  Tensor gradient(std::size_t i) const;
  /// The Euclidean norm of gradient(i), summed in double. 0 if the parameter has no gradient.
  double gradient_norm(std::size_t i) const;
  /// 1, or −1 if the rule of parameter i maximises: the rule goes along −sign(i)·gradient(i).
  double sign(std::size_t i) const;
  /// The present `lr` of the rule of parameter i; 1 for a rule without a field of this name.
  double rate(std::size_t i) const;

  /// Multiplies the gradient of parameter i by `by`. Takes no pass through memory: the rule
  /// multiplies as it reads the gradient.
  void scale_gradient(std::size_t i, double by);
  /// Limits every element of the gradient of parameter i to [−most, most]. Takes no pass through
  /// memory.
  void limit_gradient(std::size_t i, double most);
  /// Replaces the gradient of parameter i by g, which has the shape and dtype of the weights and
  /// shares no memory with any weights. If g
  /// is undefined, the parameter has no gradient in this step, and the rule skips the parameter.
  void set_gradient(std::size_t i, Tensor g);
  /// Says that a norm over several parameters is NaN or infinite. The step is then treated as if a
  /// gradient were not finite.
  void report_non_finite() { non_finite_ = true; }
  /// Returns true if a gradient is not finite and the optimizer skips such steps. The skip is
  /// counted at the end of the step. Throws NonFiniteError if the optimizer treats such a step as
  /// an error. A wrapper that keeps gradients calls refused() before it keeps any. After refused()
  /// has returned true, this step is skipped, and inner() does nothing.
  bool refused();

  /// Makes the step of the optimizer inside this wrapper. Returns false if no step was made,
  /// because a gradient was not finite, or because a wrapper further in waits for more gradients.
  /// Throws StateError at a second call in one step. If apply() never calls inner(), no step is
  /// made.
  bool inner();
  /// Says that no step is made this time. In the wrappers further out inner() then returns false.
  void skip() { skipped_ = true; }

  /// @name For the engine
  /// @{

  /// A part that only the engine uses. raw() is a gradient without its view. view() is the view,
  /// with the opposite sign for `maximize`. has_made(): a wrapper replaced a gradient.
  /// non_finite(): a norm was reported as not finite. was_refused(): refused() has returned true.
  explicit Update(detail::Groups& groups);
  Update(const Update&) = delete;
  Update& operator=(const Update&) = delete;
  const Tensor& raw(std::size_t i) const;
  detail::GradientView view(std::size_t i) const;
  bool has_made() const { return !made_.empty(); }
  bool non_finite() const { return non_finite_; }
  bool was_refused() const { return refused_; }
  /// True if the rule would have made the step that was refused: then the step counts.
  bool reached_rule() const { return reached_; }
  void reach_rule() { reached_ = true; }
  /// Skips the step after the rule was run.
  void refuse() { refused_ = skipped_ = reached_ = true; }
  /// @}

 private:
  friend class detail::Layer;
  detail::Groups* groups_;
  const Parameters* parameters_;
  std::int64_t step_;
  detail::Layer* next_ = nullptr;  // what inner() runs
  descent::detail::PoolVector<detail::GradientView> views_;
  // All gradients, once a wrapper has replaced one; else empty.
  descent::detail::PoolVector<Tensor> made_;
  bool non_finite_ = false, skipped_ = false, refused_ = false, reached_ = false;
};

/// The first half of a step with a closure: the loss and its gradient are evaluated. A wrapper's
/// evaluate() decides with it how often, and at which weights.
class Evaluation {
 public:
  /// Clears the gradients and calls the closure, through the wrappers further in. Returns the loss.
  /// If a compiled step is being recorded, the loss is not known yet, and inner() returns NaN.
  double inner();
  /// Calls f(parameters, steps so far) with autograd off. If the step is being compiled, each
  /// replay calls f again. f must not keep a reference to the Evaluation.
  void perform(const std::function<void(const Parameters&, std::int64_t)>& f);
  /// A function that gives 1 for parameter i, or −1 if the rule of parameter i maximises. The
  /// function may be kept for later, unlike the Evaluation.
  std::function<double(std::size_t)> signs() const;
  /// If the step is being compiled: calls f whenever a replay fails half-way.
  void at_failure(const std::function<void()>& f);
  static bool recording();               ///< true while a step is being compiled
  const Parameters& parameters() const;  ///< all parameters, with names

  /// For the engine: an evaluation that inner() hands to this layer. The closure must outlive it.
  Evaluation(detail::Layer& inner, const detail::Closure& closure)
      : inner_(&inner), closure_(&closure) {}
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;
  /// Throws StateError, in the name of the wrapper, if inner() was never called.
  void check_called(std::string_view wrapper) const;

 private:
  detail::Layer* inner_;
  const detail::Closure* closure_;
  bool called_ = false;
};

/// √Σx², summed in double, so that squares neither overflow nor vanish. x: any shape, float32 or
/// float64.
double euclidean_norm(const Tensor& x);

/// Writes the numbers of `value`, which has the shape and dtype of the weight, into a weight. Takes
/// no memory and records nothing, so that it can put a weight back after an error.
void write_weight(const Tensor& weight, const Tensor& value);

}  // namespace descent::optim
