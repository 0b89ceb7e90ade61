// StateVisitor: what an object keeps, listed once. The one listing serves saving, checking and
// loading.
//
//   void state(StateVisitor& visit) {
//     visit("count", count);
//     visit("average", average, count > 0);  // one tensor for each parameter
//   }
//
// A visitor that saves copies each value out. A visitor that loads replaces each value by the saved
// value and remembers the old value. If something is missing, unexpected or of another shape, the
// visitor puts all old values back when the listing is over. Values are loaded in the order of the
// listing. In the example `count > 0` therefore asks the count that has just been loaded.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/tensor.h>
#include <descent/optim/engine/fields.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace descent::optim {

/// How to put old values back. Whoever changes a value adds a function that puts the old value
/// back. If a step or a load fails, the functions are called, the newest first.
class UndoLog {
 public:
  /// Adds a function that puts an old value back. The function must not throw, so it takes no
  /// memory.
  template <class F>
  void add(F put_back) {
    entries_.emplace_back(std::move(put_back));
  }
  std::size_t size() const { return entries_.size(); }  ///< how many functions there are
  /// Calls and drops the newest functions, until `mark` functions are left.
  void back_to(std::size_t mark) {
    for (; entries_.size() > mark; entries_.pop_back()) entries_.back()();
  }
  void clear() { entries_.clear(); }  ///< forgets everything: the new values are to stay

 private:
  std::vector<std::function<void()>> entries_;
};

/// A saved state: tensors by name. A name reads rule/slot/parameter: "adamw/m/fc1.weight".
using State = std::map<std::string, Tensor>;

/// Goes through what an object keeps, to save it, to load it, or to be able to put it back.
class StateVisitor {
 public:
  /// Saves into `out`, which must outlive the visitor.
  static StateVisitor saving(State& out) { return StateVisitor(&out, nullptr); }
  /// Loads from `in`, which must outlive the visitor.
  static StateVisitor loading(const State& in) { return StateVisitor(nullptr, &in); }
  /// Copies each value into `log`, which must outlive the visitor and can then put the values back.
  static StateVisitor remembering(UndoLog& log) {
    StateVisitor visit(nullptr, nullptr);
    visit.log_ = &log;
    return visit;
  }
  /// True for a visitor that loads, false for one that saves.
  bool loads() const { return in_ != nullptr; }

  /// Lists a count. It is saved as an int64 tensor without dimensions.
  void operator()(std::string_view name, std::int64_t& value, std::int64_t least = 0);
  /// Lists a number. It is saved as a float64 tensor without dimensions. A loaded NaN does not fit.
  /// If `finite` is true, a loaded infinity does not fit either.
  void operator()(std::string_view name, double& value, bool finite = false);
  /// Lists a tensor. An undefined tensor is not saved. A loaded tensor must have this shape and
  /// dtype. If the state has no such tensor, `value` becomes undefined, and if `required` is true,
  /// loading fails.
  void operator()(std::string_view name, Tensor& value, const Shape& shape, DType dtype,
                  bool required = true);
  /// Lists a value that an object keeps in another form than a tensor. `present` is the value as a
  /// tensor. When saving, saves `present` unless it is undefined, and returns it. When loading,
  /// returns what was loaded; undefined if nothing fits. The object then calls replace().
  Tensor exchange(std::string_view name, const Tensor& present, const Shape& shape, DType dtype,
                  bool required = true);
  /// Lists one tensor for each parameter, of the parameter's shape and dtype. `each` may be empty.
  /// If `required` is true, the state must have a tensor for each parameter.
  void operator()(std::string_view name, std::vector<Tensor>& each, bool required = true);
  /// Lists tensors of any names, shapes and dtypes: all whose saved names begin with `prefix`.
  void all(std::string_view prefix, State& tensors);
  /// Lists the settings of a rule or wrapper. A setting that follows a schedule is not saved,
  /// because a schedule is code. Throws ValueError if a loaded number is out of range.
  void fields(const detail::FieldLister& list);

  /// When loading: the shape of the saved tensor of this name. Empty if there is no such tensor.
  std::optional<Shape> shape_of(std::string_view name) const;

  /// Assigns to a value, and remembers the old value for undo(). See exchange().
  template <class T, class By>
  void replace(T& value, By&& by) {
    undo_.add([&value, old = value]() mutable { value = std::move(old); });
    value = std::forward<By>(by);
  }
  /// Sets the prefix of the names that follow, and the parameters for lists with a tensor for each
  /// parameter.
  void enter(std::string prefix, const Parameters& parameters);
  /// What does not fit, one line each: missing, unexpected, of another shape or dtype. Empty if all
  /// fits.
  std::string differences() const;
  /// Puts all old values back, in reverse order.
  void undo() { undo_.back_to(0); }

 private:
  void visit_scale(const detail::FieldRef& f, bool replaced);
  StateVisitor(State* out, const State* in) : out_(out), in_(in) {}
  /// The saved tensor of a name; null if there is none that fits. Notes the difference.
  const Tensor* find(const std::string& key, const Shape& shape, DType dtype, bool required);
  /// Saves under a name that is not taken.
  void put(const std::string& key, const Tensor& value);
  /// Adds to log_ that `value` is to be `old` again.
  template <class T>
  void remember(T& value, T old) {
    log_->add([&value, old = std::move(old)]() mutable { value = std::move(old); });
  }

  State* out_;
  const State* in_;
  std::string prefix_;
  const Parameters* parameters_ = nullptr;
  std::vector<std::string> known_;  // the names that were listed
  std::string differences_;
  UndoLog undo_;
  UndoLog* log_ = nullptr;  // of a visitor that remembers
};

/// Returns the state of an object that has a member state(StateVisitor&). Takes a copy, because
/// state() is not const.
template <class T>
State save_state(T object) {
  State out;
  StateVisitor visit = StateVisitor::saving(out);
  object.state(visit);
  return out;
}
/// Loads a state. `list` lists what the object keeps. Throws StateError if the state does not fit;
/// the message names `what` and lists every difference. Then nothing changes.
void load_state(std::string_view what, const State& in,
                const std::function<void(StateVisitor&)>& list);

}  // namespace descent::optim
