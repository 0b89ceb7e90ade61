#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/engine/state.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

const Tensor* StateVisitor::find(const std::string& key, const Shape& shape, DType dtype,
                                 bool required) {
  known_.push_back(key);
  const auto found = in_->find(key);
  if (found == in_->end()) {
    if (required)
      differences_ += to_text("\n  missing: ", key, " ", shape,
                              key.starts_with("group/") ? " (was it saved under a schedule?)" : "");
    return nullptr;
  }
  const Tensor& t = found->second;
  if (t.defined() && t.shape() == shape && t.dtype() == dtype) return &t;
  differences_ += to_text("\n  ", key, ": got ");
  differences_ += t.defined() ? to_text(t.dtype(), t.shape()) : "an undefined tensor";
  differences_ += to_text(", expected ", dtype, shape);
  return nullptr;
}

void StateVisitor::put(const std::string& key, const Tensor& value) {
  if (!out_->emplace(key, value).second)
    fail<StateError>(
        "state_dict", "got two values of the name '", key,
        "', expected names that differ. Hint: a wrapper's state and settings share names");
}

void StateVisitor::operator()(std::string_view name, std::int64_t& value, std::int64_t least) {
  if (log_) return remember(value, value);
  const Tensor t = exchange(name, full({}, value, kInt64), {}, kInt64);
  if (!in_ || !t.defined()) return;
  const auto count = t.item<std::int64_t>();
  constexpr std::int64_t kMost = std::int64_t{1} << 53;  // far beyond any count
  if (count < least || count > kMost)
    differences_ += to_text("\n  ", prefix_, name, ": got ", count, ", expected a count of ", least,
                            " or more");
  else
    replace(value, count);
}

void StateVisitor::operator()(std::string_view name, double& value, bool finite) {
  if (log_) return remember(value, value);
  const Tensor t = exchange(name, full({}, value, kFloat64), {}, kFloat64);
  if (!in_ || !t.defined()) return;
  const double x = t.item();
  if (std::isnan(x) || (finite && std::isinf(x)))
    differences_ += to_text("\n  ", prefix_, name, ": got ", x, ", expected a number");
  else
    replace(value, x);
}

Tensor StateVisitor::exchange(std::string_view name, const Tensor& present, const Shape& shape,
                              DType dtype, bool required) {
  const std::string key = to_text(prefix_, name);
  if (out_ && present.defined()) put(key, kernel::clone(present));
  if (!in_) return present;
  const Tensor* t = find(key, shape, dtype, required);
  return t ? kernel::clone(*t) : Tensor();
}

void StateVisitor::operator()(std::string_view name, Tensor& value, const Shape& shape, DType dtype,
                              bool required) {
  if (log_) return remember(value, value.defined() ? kernel::clone(value) : value);
  Tensor t = exchange(name, value, shape, dtype, required);
  if (in_) replace(value, std::move(t));
}

void StateVisitor::operator()(std::string_view name, std::vector<Tensor>& each, bool required) {
  if (log_) {
    std::vector<Tensor> copies;
    for (const Tensor& t : each) copies.push_back(t.defined() ? kernel::clone(t) : t);
    return remember(each, std::move(copies));
  }
  std::vector<Tensor> loaded;
  bool some = false;
  for (const Parameter& p : *parameters_) {
    const Tensor present = loaded.size() < each.size() ? each[loaded.size()] : Tensor();
    loaded.push_back(
        exchange(to_text(name, "/", p.name), present, p.value.shape(), p.value.dtype(), required));
    some |= loaded.back().defined();
  }
  if (in_) replace(each, some ? std::move(loaded) : std::vector<Tensor>());
}

void StateVisitor::all(std::string_view prefix, State& tensors) {
  if (log_) {
    State copies;
    for (const auto& [name, t] : tensors) copies[name] = t.defined() ? kernel::clone(t) : t;
    return remember(tensors, std::move(copies));
  }
  const std::string start = to_text(prefix_, prefix);
  if (out_)
    for (const auto& [name, t] : tensors) (*out_)[start + name] = kernel::clone(t);
  if (!in_) return;
  State loaded;
  for (auto at = in_->lower_bound(start); at != in_->end() && at->first.starts_with(start); ++at) {
    known_.push_back(at->first);
    if (at->second.defined())
      loaded[at->first.substr(start.size())] = kernel::clone(at->second);
    else
      differences_ += to_text("\n  ", at->first, ": got an undefined tensor");
  }
  replace(tensors, std::move(loaded));
}

void StateVisitor::fields(const detail::FieldLister& list) {
  if (log_)
    return list([&](const detail::FieldRef& f) {
      f.flag ? remember(*f.flag, *f.flag) : remember(*f.number, *f.number);
    });
  list([&](const detail::FieldRef& f) {
    const bool saved = f.is_constant();
    const Tensor present = saved ? full({}, f.at(0), kFloat64) : Tensor();
    const Tensor t = exchange(f.name, present, {}, kFloat64, saved);
    if (!saved) visit_scale(f, t.defined());
    if (!in_ || !t.defined()) return;
    const double x = t.item();
    f.check(f.owner, f.name, x, " from a state");
    if (f.flag)
      replace(*f.flag, x != 0);
    else
      replace(*f.number, Hyper(x));
  });
}

/// What a schedule is multiplied by. The schedule itself is no state. `replaced`: a number takes
/// the place of the schedule.
void StateVisitor::visit_scale(const detail::FieldRef& f, bool replaced) {
  const double scale = f.number->scale();
  const Tensor present = scale != 1 ? full({}, scale, kFloat64) : Tensor();
  const Tensor t = exchange(to_text(f.name, "/scale"), present, {}, kFloat64, false);
  if (!in_ || replaced) return;
  const double x = t.defined() ? t.item() : 1;
  if (!std::isfinite(x))
    differences_ += to_text("\n  ", prefix_, f.name, "/scale: got ", x, ", expected a number");
  else if (x != scale)
    replace(*f.number, f.number->with_scale(x));
}

std::optional<Shape> StateVisitor::shape_of(std::string_view name) const {
  const auto found = in_->find(to_text(prefix_, name));
  if (found == in_->end() || !found->second.defined()) return {};
  return found->second.shape();
}

void StateVisitor::enter(std::string prefix, const Parameters& parameters) {
  prefix_ = std::move(prefix);
  parameters_ = &parameters;
}

std::string StateVisitor::differences() const {
  std::string all = differences_;
  std::vector<std::string> known = known_;
  std::sort(known.begin(), known.end());
  for (const auto& [key, t] : *in_)
    if (!std::binary_search(known.begin(), known.end(), key))
      all += to_text("\n  unexpected: ", key, t.defined() ? to_text(" ", t.shape()) : "");
  return all;
}

void load_state(std::string_view what, const State& in,
                const std::function<void(StateVisitor&)>& list) {
  StateVisitor visit = StateVisitor::loading(in);
  std::string differences;
  try {
    list(visit);
    differences = visit.differences();
  } catch (...) {
    visit.undo();
    throw;
  }
  if (differences.empty()) return;
  visit.undo();
  fail<StateError>("load_state_dict", "got a state that does not fit ", what, ":", differences);
}

}  // namespace descent::optim
