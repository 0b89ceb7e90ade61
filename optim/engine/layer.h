// Internal. Layer: one layer of an optimizer. The innermost layer is Groups, which runs the rules.
// Each wrapper is a layer around another layer. A layer has two verbs: evaluate() makes gradients,
// and apply() uses gradients. A wrapper changes one of the two and passes the other on.
#pragma once

#include <descent/optim/engine/state.h>
#include <descent/optim/engine/update.h>

#include <memory>

namespace descent::optim::detail {

/// Computes the loss, calls backward() and returns the loss.
using Closure = std::function<double()>;

/// A layer of an optimizer, which owns the layer further in.
class Layer {
 public:
  virtual ~Layer() = default;
  /// Makes gradients: clears those of all parameters and calls the closure, once or more often.
  /// Returns the loss of the first call.
  virtual double evaluate(const Closure& closure) = 0;
  /// Uses the gradients: makes the step.
  virtual void apply(Update& update) = 0;

  virtual std::string_view name() const = 0;  ///< of the wrapper, or of the first group's rule
  virtual std::string text() = 0;             ///< this layer and those further in, as text
  /// Calls f for each setting of this layer. A wrapper ignores `group`. Groups calls f for the rule
  /// of that group, or for all rules if `group` is −1. If `owner` is not empty, only the wrapper or
  /// rule of that name takes part.
  virtual void visit_fields(const FieldVisitor& f, int group, std::string_view owner) = 0;
  /// Lists what this layer keeps, without the layers further in.
  virtual void state(StateVisitor& visit) = 0;
  /// Throws ValueError if a schedule of this layer or of a layer further in gives a value out of
  /// range for the present step.
  void check_schedules();

  virtual bool needs_closure() const = 0;  ///< true if step() without a closure must be refused
  /// True if the update of each element depends on the gradients of that element alone.
  virtual bool elementwise() const = 0;
  /// True for a layer that evaluates the gradient at other weights, as SAM.
  virtual bool climbs() const { return false; }
  /// True for a layer that keeps an average of the weights.
  virtual bool keeps_average() const { return false; }
  /// True if the average has begun.
  virtual bool has_average() const { return keeps_average(); }
  /// True while the weights are exchanged for the average.
  virtual bool is_swapped() const { return false; }
  /// Exchanges the weights with the average. Throws StateError if the average has not begun.
  virtual void swap_average() {}

  virtual Layer* inner() { return nullptr; }  ///< the layer further in; null for Groups
  Groups& groups();                           ///< the innermost layer

  /// A weak pointer to this layer. It stays valid if an optimizer is moved or wrapped, and expires
  /// when the layer is destroyed.
  std::weak_ptr<Layer> watch() const { return self_; }

 protected:
  /// Calls apply(). Meanwhile update.inner() runs `next`.
  template <class F>
  static void with_inner(Update& update, Layer& next, F apply) {
    struct End {
      Update& update;
      ~End() { update.next_ = nullptr; }
    } end{update};
    update.next_ = &next;
    apply();
    if (update.next_ == &next) update.skip();  // apply() made no step
  }

  /// Throws StateError while the weights are exchanged for the average.
  void refuse_while_swapped(std::string_view op) const;
  /// Exchanges the weights of all parameters with `values`.
  static void exchange_weights(const Parameters& parameters, std::vector<Tensor>& values);

 private:
  std::shared_ptr<Layer> self_{this, [](Layer*) {}};  // for watch(); deletes nothing
};

}  // namespace descent::optim::detail
