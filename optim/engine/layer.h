// Internal. Layer: one layer of an optimizer. The innermost layer is Groups, which runs the rules.
// Each wrapper is a layer around another layer. A layer has two verbs: evaluate() makes gradients,
// and apply() uses gradients. A wrapper changes one of the two and passes the other on.
#pragma once

#include <descent/optim/engine/state.h>
#include <descent/optim/engine/update.h>

#include <memory>

namespace descent::optim::detail {

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
  /// Asks the schedules of this layer and of the layers further in for their values at the present
  /// step. Throws ValueError if a value is out of range.
  void check_schedules();

  virtual bool needs_closure() const = 0;  ///< true if step() without a closure must be refused
  /// True if the update of each element depends on the gradients of that element alone.
  virtual bool elementwise() const = 0;
  /// True for a layer that evaluates more than the gradient at the weights, as SAM or K-FAC.
  virtual bool climbs() const { return false; }
  /// True for a layer that climbs(), and combines what it has evaluated as it is applied.
  virtual bool mixes() const { return false; }
  /// True for a layer that keeps an average of the weights.
  virtual bool keeps_average() const { return false; }
  /// True if the average has begun.
  virtual bool has_average() const { return keeps_average(); }
  /// True while the weights are exchanged for the average.
  bool is_swapped() const { return !training_.empty(); }
  /// Exchanges the weights with the average. Throws StateError if the average has not begun.
  virtual void swap_average() {}

  virtual Layer* inner() { return nullptr; }  ///< the layer further in; null for Groups
  Groups& groups();                           ///< the innermost layer

  /// True if a layer further out may throw after this layer has made its step. Then this layer
  /// copies what it changes into Groups::undo_log().
  bool revocable() const { return revocable_; }

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
  /// Gives the parameters the weights `average`, which has a tensor for each parameter, of its
  /// shape and dtype. Keeps the training weights.
  void give_average(const Parameters& parameters, const std::vector<Tensor>& average);
  /// Gives the parameters the training weights again. Takes no memory and throws nothing.
  void give_training(const Parameters& parameters);
  /// Makes this layer and the layers further in revocable.
  void revoke_from_here();

 private:
  std::vector<Tensor> training_;  // the training weights, while the average is in their place
  bool revocable_ = false;
  std::shared_ptr<Layer> self_{this, [](Layer*) {}};  // for watch(); deletes nothing
};

}  // namespace descent::optim::detail
