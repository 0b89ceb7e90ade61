// Internal. Layer: one layer of an optimizer. The innermost is Groups, which runs the rules; each
// wrapper is a layer around another. A wrapper overrides one of the two verbs: evaluate() makes
// gradients, apply() uses them.
#pragma once

#include <descent/optim/engine/state.h>
#include <descent/optim/engine/update.h>

#include <memory>

namespace descent::optim::detail {

using Closure = std::function<double()>;

class Layer {
 public:
  virtual ~Layer() = default;
  virtual double evaluate(const Closure& closure) = 0;
  virtual void apply(Update& update) = 0;

  virtual std::string_view name() const = 0;
  virtual std::string text() = 0;
  /// The fields of a wrapper, or those of a rule's group, −1 for all groups. If `owner` is not
  /// empty, those of the wrapper or rule of that name alone.
  virtual void visit_fields(const FieldVisitor& f, int group, std::string_view owner) = 0;
  /// What this layer keeps, without the layers further in.
  virtual void state(StateVisitor& visit) = 0;
  /// Throws ValueError if a schedule gives a value out of range for the present step.
  virtual void check_schedules() = 0;

  virtual bool needs_closure() const = 0;
  /// True if each element's update follows from its own gradients alone.
  virtual bool elementwise() const = 0;
  /// True for a layer that keeps an average of the weights.
  virtual bool keeps_average() const { return false; }
  /// True if there is something in the average by now.
  virtual bool has_average() const { return keeps_average(); }
  /// Exchanges the weights with the average. Throws StateError if there is nothing in it.
  virtual void swap_average() {}

  virtual Layer* inner() { return nullptr; }
  Groups& groups();  ///< the innermost layer

  /// This layer for as long as it lives, whichever optimizer has it by then.
  std::weak_ptr<Layer> watch() const { return self_; }

 protected:
  /// Runs apply(update) with `next` as what update.inner() runs.
  template <class F>
  static void with_inner(Update& update, Layer& next, F apply) {
    struct Restore {
      Update& update;
      Layer* before;
      ~Restore() { update.next_ = before; }
    } restore{update, update.next_};
    update.next_ = &next;
    apply();
  }
  static Evaluation evaluation(Layer& inner, const Closure& closure) {
    return Evaluation(inner, closure);
  }

 private:
  std::shared_ptr<Layer> self_{this, [](Layer*) {}};  // owns nothing
};

}  // namespace descent::optim::detail
