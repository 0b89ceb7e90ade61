// What an optimizer keeps, listed once: one listing serves saving, checking and loading.
//
//   void state(StateVisitor& visit) {
//     visit("count", count);
//     visit("average", average, count > 0);  // one tensor for each parameter
//   }
//
// A visitor that saves copies each value out. A visitor that loads replaces each value by what it
// finds, and remembers the old one. When the listing is over and something was missing, superfluous
// or of another shape, the visitor puts all old values back. Values are loaded in the order of the
// listing: `count > 0` above asks the count of the file.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/tensor.h>
#include <descent/optim/engine/fields.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace descent::optim {

/// State by name: "adamw/m/fc1.weight".
using State = std::map<std::string, Tensor>;

class StateVisitor {
 public:
  /// Saves into `out`, which must outlive the visitor.
  static StateVisitor saving(State& out) { return StateVisitor(&out, nullptr); }
  /// Loads from `in`, which must outlive the visitor.
  static StateVisitor loading(const State& in) { return StateVisitor(nullptr, &in); }
  bool loads() const { return in_ != nullptr; }

  /// A number. Saved as a tensor without dimensions, int64 or float64.
  void operator()(std::string_view name, std::int64_t& value);
  void operator()(std::string_view name, double& value);
  /// A tensor; an undefined one is not saved. A loaded one has this shape and dtype, or is
  /// undefined if the state has none. A missing one is an error if it is required.
  void operator()(std::string_view name, Tensor& value, const Shape& shape, DType dtype,
                  bool required = true);
  /// For what is kept in another form: returns what was loaded, undefined if nothing fits, or, when
  /// saving, `present`, which is saved if it is defined.
  Tensor exchange(std::string_view name, const Tensor& present, const Shape& shape, DType dtype,
                  bool required = true);
  /// A tensor for each parameter, with its shape and dtype, or no tensor at all.
  void operator()(std::string_view name, std::vector<Tensor>& each, bool required = true);
  /// Tensors of any names, shapes and dtypes: all whose names begin with `prefix`.
  void all(std::string_view prefix, State& tensors);
  /// The settings of a rule or wrapper. A setting that follows a schedule is code, and is not
  /// saved. Throws ValueError, in the name of `owner`, for a loaded number out of range.
  void fields(std::string_view owner, const detail::FieldLister& list);

  /// Whether the state to be loaded has a value of this name, and then its shape.
  std::optional<Shape> shape_of(std::string_view name) const;

  /// Assigns to a value that is kept in another form, so that undo() knows the old one.
  template <class T, class By>
  void replace(T& value, By&& by) {
    undo_.push_back([&value, old = value] { value = old; });
    value = std::forward<By>(by);
  }
  /// Names that follow get this prefix, and tensors for each parameter belong to these parameters.
  void enter(std::string prefix, const Parameters& parameters);
  /// What does not fit, a line each: missing, unexpected, of another shape or dtype.
  std::string differences() const;
  /// Puts all old values back, the last first.
  void undo();

 private:
  StateVisitor(State* out, const State* in) : out_(out), in_(in) {}
  /// What is loaded under a name; null for nothing that fits.
  const Tensor* find(const std::string& key, const Shape& shape, DType dtype, bool required);
  State* out_;
  const State* in_;
  std::string prefix_;
  const Parameters* parameters_ = nullptr;
  std::set<std::string> known_;
  std::string differences_;
  std::vector<std::function<void()>> undo_;
};

/// The state of an object with a member state(StateVisitor&).
template <class T>
State save_state(T& object) {
  State out;
  StateVisitor visit = StateVisitor::saving(out);
  object.state(visit);
  return out;
}
/// Throws StateError, in the name of `what`, listing what is missing, unexpected or of another
/// shape. Nothing is changed then.
void load_state(std::string_view what, const State& in,
                const std::function<void(StateVisitor&)>& list);

}  // namespace descent::optim
