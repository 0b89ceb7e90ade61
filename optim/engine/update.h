// Update: one step on its way from the outermost wrapper to the rule, as each of them sees it.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/pool_vector.h>
#include <descent/optim/engine/card.h>

#include <functional>

namespace descent::optim {

namespace detail {

class Layer;
class Groups;

/// How the rule sees a gradient: clamp(scale·g, ±limit). Scaling and clamping again gives the same
/// form, so wrappers nest in any order and no wrapper writes a gradient.
struct GradientView {
  double scale = 1, limit = kInfinity;
};

}  // namespace detail

/// A step that is being made. A wrapper's apply() looks at the gradients here, changes how the rule
/// is to see them, and calls inner() for the step itself. Autograd does not record meanwhile.
///
/// Parameters are numbered from 0. Gradients are those that backward() left, as wrappers further
/// out have changed them. The tensors in a model's .grad are never written.
class Update {
 public:
  std::size_t size() const { return parameters_->size(); }  ///< how many parameters there are
  const Parameters& parameters() const { return *parameters_; }
  /// The weights of parameter i, to be read, and to be written in place: weight(i).copy_(x).
  Tensor weight(std::size_t i) const { return (*parameters_)[i].value.detach(); }
  /// The steps that the optimizer has taken before this one, at which schedules are read:
  /// lr(step()).
  std::int64_t step() const;

  bool has_gradient(std::size_t i) const;
  /// The gradient of parameter i; undefined if the parameter has none. To be read only.
  Tensor gradient(std::size_t i) const;
  /// The Euclidean norm of gradient(i), accumulated in double; 0 without a gradient.
  double gradient_norm(std::size_t i) const;

  /// Multiplies the gradient of parameter i. Costs nothing: the rule multiplies as it reads.
  void scale_gradient(std::size_t i, double by);
  /// Limits every element of the gradient of parameter i to [−most, most]. Costs nothing.
  void limit_gradient(std::size_t i, double most);
  /// Puts g, of the weights' shape and dtype, in place of the gradient of parameter i. An undefined
  /// g stands for no gradient: the rule skips the parameter.
  void set_gradient(std::size_t i, Tensor g);
  /// Says that a norm over several parameters is not finite, so that the step is refused as for a
  /// gradient that is not finite.
  void report_non_finite() { non_finite_ = true; }
  /// True if a gradient is not finite and the optimizer is to skip such steps; the skip is counted.
  /// Throws NonFiniteError if such a step is an error. A wrapper that keeps gradients asks before.
  bool refused();

  /// Makes the step of what is inside this wrapper. Returns false if no step was made: a gradient
  /// was not finite, or a wrapper further in waits for more of them.
  bool inner();
  /// Makes no step this time. inner() of the wrappers further out returns false.
  void skip() { skipped_ = true; }

  // For the engine: the gradient before its view, and the view, which `maximize` negates.
  explicit Update(detail::Groups& groups);
  const Tensor& raw(std::size_t i) const;
  detail::GradientView view(std::size_t i) const;
  bool has_made() const { return !made_.empty(); }
  bool non_finite() const { return non_finite_; }

 private:
  friend class detail::Layer;
  detail::Groups* groups_;
  const Parameters* parameters_;
  detail::Layer* next_ = nullptr;  // what inner() runs
  descent::detail::PoolVector<detail::GradientView> views_;
  descent::detail::PoolVector<Tensor> made_;  // gradients that wrappers made; empty for none
  bool non_finite_ = false, skipped_ = false;
};

/// The evaluation of a loss and its gradient that a step with a closure begins with, as a wrapper's
/// evaluate() sees it.
class Evaluation {
 public:
  /// Clears the gradients and calls the closure, through the wrappers further in. Returns the loss;
  /// NaN while a compiled step is recorded, since the loss is not known then.
  double inner();
  /// Calls f(parameters, steps so far) now, with autograd off, and, if this step is being compiled,
  /// again at each replay. f must not keep references to the Evaluation.
  void perform(const std::function<void(const Parameters&, std::int64_t)>& f);
  /// Calls f if a replay of the step that is being compiled fails half-way.
  void at_failure(const std::function<void()>& f);
  static bool recording();  ///< whether this step is being compiled

 private:
  friend class detail::Layer;
  Evaluation(detail::Layer& inner, const std::function<double()>& closure);
  detail::Layer* inner_;
  const std::function<double()>* closure_;
};

/// √Σx², accumulated in double, so that squares neither overflow nor vanish. x: any shape,
/// floating.
double euclidean_norm(const Tensor& x);

}  // namespace descent::optim
