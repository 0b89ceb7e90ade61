#include <descent/autograd/node.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/log.h>
#include <descent/core/parallel.h>
#include <descent/core/tape.h>
#include <descent/optim/rule_stage.h>

#include <algorithm>
#include <atomic>

namespace descent::optim::detail {

using descent::detail::PoolVector;

namespace {

constexpr std::int64_t kChunk = 16384;  // elements a task

/// Calls f for each field as (name, Hyper&, const Range*) or (name, bool&).
struct Fields final : FieldVisitor {
  std::function<void(std::string_view, Hyper*, const Range*, bool*)> f;
  explicit Fields(decltype(f) function) : f(std::move(function)) {}
  void operator()(std::string_view name, Hyper& value, const Range& range) override {
    f(name, &value, &range, nullptr);
  }
  void operator()(std::string_view name, bool& value) override {
    f(name, nullptr, nullptr, &value);
  }
};

Tensor number(double x) { return full({}, x, kFloat64); }
Tensor number(std::int64_t n) { return full({}, n, kInt64); }

/// "name(a=1, b=true)" of fields, with a leading part.
std::string list_fields(std::string_view name, const std::string& first,
                        const std::function<void(FieldVisitor&)>& visit) {
  std::string s = concat(name, "(", first);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    s += concat(s.back() == '(' ? "" : ", ", field, "=", h ? h->text() : *b ? "true" : "false");
  });
  visit(fields);
  return s + ")";
}

}  // namespace

void check_fields(std::string_view rule, const std::function<void(FieldVisitor&)>& visit) {
  Fields fields([&](std::string_view name, Hyper* h, const Range* range, bool*) {
    if (h && !range->holds((*h)(0)))
      fail<ValueError>(rule, "got ", name, " = ", (*h)(0), ", expected a number in ",
                       range->text());
  });
  visit(fields);
}

void Wrapper::visit_fields(FieldVisitor& f, int group) {
  own_fields(f);
  inner_->visit_fields(f, group);
}

std::string Wrapper::key() const {
  int same = 1;
  for (Stage* s = inner_.get(); s; s = s->inner())
    if (const auto* w = dynamic_cast<Wrapper*>(s)) same += w->name() == name();
  return same == 1 ? std::string(name()) : concat(name(), same);
}

void Wrapper::save(State& state) const {
  inner_->save(state);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    if (b || h->is_constant())
      state[concat(key(), "/", field)] = number(b ? (*b ? 1.0 : 0.0) : (*h)(0));
  });
  const_cast<Wrapper*>(this)->own_fields(fields);
}

void Wrapper::expect(const State& state, std::vector<StateEntry>& entries) {
  inner_->expect(state, entries);
  Fields fields([&](std::string_view field, Hyper* h, const Range* range, bool* b) {
    const std::string k = concat(key(), "/", field);
    entries.push_back({k, {}, kFloat64, b || h->is_constant()});
    const auto found = state.find(k);
    if (b || !h->is_constant() || found == state.end() || found->second.numel() != 1) return;
    if (const double x = found->second.item(); !range->holds(x))
      fail<ValueError>(name(), "got ", field, " = ", x, " from a state, expected a number in ",
                       range->text());
  });
  own_fields(fields);
}

void Wrapper::load(const State& state) {
  inner_->load(state);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    const auto found = state.find(concat(key(), "/", field));
    if (found == state.end()) return;
    if (b)
      *b = found->second.item() != 0;
    else if (h->is_constant())
      *h = found->second.item();
  });
  own_fields(fields);
}

std::string Wrapper::text() {
  return list_fields(name(), inner_->text(), [this](FieldVisitor& f) { own_fields(f); });
}

/// The rule of a group at one step, and the parameters that it serves.
struct RuleStage::Binding {
  int group;
  std::int64_t t;
  DType dtype;
  BoundRule rule;
};

/// A parameter whose elements lie in one block, in some order that all arrays share.
struct RuleStage::Work {
  std::size_t index;
  std::size_t binding;    // number of its bound rule
  std::int64_t first, n;  // its elements among all elements of the update
  char* weight;
  const char* grad;
  char* slots[kMaxSlots];
  GradientView view;
  Tensor weight_copy, grad_copy;  // where the originals are not laid out alike
};

RuleStage::RuleStage() = default;
RuleStage::~RuleStage() = default;

const Tensor& RuleStage::gradient(std::size_t i) const {
  static const Tensor none;
  const auto* node = descent::detail::node_of(parameters_[i].value);
  return node ? static_cast<const descent::detail::Leaf*>(node)->grad : none;
}

void RuleStage::add(Parameters parameters, std::unique_ptr<AnyRule> rule) {
  const std::string_view name = rule->card().name;
  if (parameters.empty())
    fail<ValueError>(
        name, "got no parameters, expected at least one. Hint: does the module register them?");
  check_fields(name, [&](FieldVisitor& f) { rule->visit_fields(f); });
  rule->check();
  bool trains = false, clashes = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    if (!p.value.defined() || !p.value.is_leaf())
      fail<GraphError>(name, "got parameter '", p.name, "', expected a leaf. Hint: detach() it");
    trains |= p.value.requires_grad();  // one that does not is frozen: without a gradient, skipped
    const auto repeats = [&](const auto& end) {
      for (auto q = parameters.begin(); q != end; ++q)
        if (q->value.is_same(p.value) || q->name == p.name) return true;
      return false;
    };
    const bool in_other = std::any_of(parameters_.begin(), parameters_.end(),
                                      [&](const Parameter& q) { return q.value.is_same(p.value); });
    if (repeats(parameters.begin() + static_cast<std::ptrdiff_t>(i)) || in_other)
      fail<ValueError>(name, "got parameter '", p.name,
                       "' twice, expected each once, in one group, under a name of its own");
    for (const Parameter& q : parameters_) clashes |= q.name == p.name;
  }
  if (!trains)
    fail<GraphError>(name, "got ", parameters.size(),
                     " parameters none of which requires a gradient, expected at least one. Hint: "
                     "call requires_grad_()");
  if (clashes)  // two submodules' "weight", say: the state needs names that differ
    for (Parameter& p : parameters) p.name = concat("group", groups_.size(), ".", p.name);
  for (Parameter& p : parameters) {
    memory_.push_back({static_cast<int>(groups_.size()), 0,
                       std::vector<Tensor>(static_cast<std::size_t>(rule->slot_count()))});
    parameters_.push_back(std::move(p));
  }
  groups_.push_back(std::move(rule));
  held_.clear();
}

void RuleStage::check() const {
  for (const auto& rule : groups_) {
    check_fields(rule->card().name, [&](FieldVisitor& f) { rule->visit_fields(f); });
    rule->check();
  }
}

double RuleStage::evaluate(const Closure& closure) {
  for (const Parameter& p : parameters_)
    if (p.value.requires_grad()) p.value.zero_grad();
  descent::detail::perform([this] { ++evaluations; });
  return closure();
}

void RuleStage::visit_fields(FieldVisitor& f, int group) {
  for (std::size_t i = 0; i < groups_.size(); ++i)
    if (group < 0 || static_cast<std::size_t>(group) == i) groups_[i]->visit_fields(f);
}

std::string RuleStage::text() {
  std::string s;
  for (const auto& rule : groups_)
    s += (s.empty() ? "" : " + ") +
         list_fields(rule->card().name, "", [&](FieldVisitor& f) { rule->visit_fields(f); });
  return s;
}

Tensor& RuleStage::slot(std::size_t i, int id) {
  Tensor& s = memory_[i].slots[static_cast<std::size_t>(id)];
  const Tensor& w = parameters_[i].value;
  if (!s.defined()) {
    s = zeros_like(w);
  } else if (!(s.shape() == w.shape()) || s.dtype() != w.dtype()) {
    fail<StateError>(groups_[static_cast<std::size_t>(memory_[i].group)]->card().name,
                     "got parameter '", parameters_[i].name, "' of ", w.dtype(), w.shape(),
                     ", expected ", s.dtype(), s.shape(),
                     " as at the first step. Hint: convert a module before the optimizer is made");
  } else if (kernel::is_dense(w) && !(s.strides() == w.strides())) {
    Tensor moved = empty_like(w);
    kernel::copy(s, moved);
    s = moved;
  }
  return s;
}

void RuleStage::check_gradient(std::size_t i, const Tensor& g) const {
  const Tensor& w = parameters_[i].value;
  if (!(g.shape() == w.shape()) || g.dtype() != w.dtype())
    fail<ShapeError>("step", "got a gradient of ", g.dtype(), g.shape(), " for parameter '",
                     parameters_[i].name, "', expected ", w.dtype(), w.shape());
}

/// Which parameter has a gradient that is not finite; their number when none has.
std::size_t RuleStage::find_non_finite() const {
  const std::size_t count = parameters_.size();
  std::int64_t total = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (const Tensor& g = gradient(i); g.defined()) total += g.numel();
  std::atomic<std::size_t> first{count};
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Tensor& g = gradient(i);
      if (!g.defined() || kernel::all_finite(g)) continue;
      std::size_t known = first;
      while (i < known && !first.compare_exchange_weak(known, i)) {
      }
    }
  };
  // Several parameters a task; a large one is cut by all_finite itself.
  const auto n = static_cast<std::int64_t>(count);
  const std::int64_t each = std::max<std::int64_t>(1, total / std::max<std::int64_t>(1, n));
  parallel_for(n, std::max<std::int64_t>(1, 4 * kChunk / each), check);
  return first;
}

/// Refuses, or skips, an update with non-finite gradients. True when it is skipped.
bool RuleStage::skips(const Update& update) {
  if (policy == NonFinite::ignore) return false;
  const std::size_t culprit = update.non_finite ? parameters_.size() : find_non_finite();
  if (culprit == parameters_.size() && !update.non_finite) return false;
  if (policy == NonFinite::throw_error)
    fail<NonFiniteError>("step", "got a NaN or infinity in ",
                         culprit < parameters_.size()
                             ? concat("the gradient of '", parameters_[culprit].name, "'")
                             : "the norm of all gradients",
                         ", expected numbers; nothing was changed. Hint: lower lr, clip with "
                         "clip_norm, or find the operator with AnomalyGuard");
  ++steps_;
  ++skipped;
  logging::warning(
      concat("step ", steps_, " skipped: NaN or infinity in a gradient (", skipped, " so far)"));
  return true;
}

/// Each rule is bound once for every group, count and type that occurs: usually one.
std::size_t RuleStage::bind(int group, std::int64_t t, DType dtype) {
  for (std::size_t k = 0; k < bindings_.size(); ++k)
    if (const Binding& b = bindings_[k]; b.group == group && b.t == t && b.dtype == dtype) return k;
  const AnyRule& rule = *groups_[static_cast<std::size_t>(group)];
  bindings_.push_back({group, t, dtype, rule.bind({t, steps_}, dtype)});
  return bindings_.size() - 1;
}

/// Lists the parameters that have a gradient, with their rules and memory.
void RuleStage::plan(const Update& update) {
  bindings_.clear();
  work_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor &w = parameters_[i].value, &g = gradient(i);
    if (!g.defined()) continue;
    const std::size_t bound = bind(memory_[i].group, memory_[i].t + 1, w.dtype());
    Work& item = work_.emplace_back();
    item.index = i;
    item.binding = bound;
    item.first = work_.size() > 1 ? work_[work_.size() - 2].first + work_[work_.size() - 2].n : 0;
    item.n = w.numel();
    item.view = view(update, i);
    if (!kernel::is_dense(w)) item.weight_copy = kernel::contiguous(w);
    const Tensor& weight = item.weight_copy.defined() ? item.weight_copy : w;
    if (!(g.strides() == weight.strides()) && !(g.is_contiguous() && weight.is_contiguous())) {
      item.grad_copy = empty_like(weight);
      kernel::copy(g, item.grad_copy);
    }
    item.weight = static_cast<char*>(weight.raw());
    item.grad = static_cast<const char*>((item.grad_copy.defined() ? item.grad_copy : g).raw());
    const BoundRule& rule = bindings_[bound].rule;
    for (int k = 0; k < rule.slot_count; ++k)
      item.slots[k] = static_cast<char*>(slot(i, rule.slot_ids[k]).raw());
  }
}

GradientView RuleStage::view(const Update& update, std::size_t i) const {
  GradientView v = update.views[i];
  if (groups_[static_cast<std::size_t>(memory_[i].group)]->maximize()) v.scale = -v.scale;
  return v;
}

/// A compiled step brings the same gradients each time: the last plan serves again, with the
/// scalars of the new step. False where it does not.
bool RuleStage::plan_again(const Update& update) {
  if (held_.size() != parameters_.size()) return false;
  for (std::size_t i = 0; i < held_.size(); ++i)
    if (!gradient(i).is_same(held_[i])) return false;
  for (const Work& item : work_)
    if (parameters_[item.index].value.raw() != item.weight) return false;
  if (policy != NonFinite::ignore) {
    if (update.non_finite) return false;
    for (const Work& item : work_)
      if (!kernel::all_finite(item.grad, item.n, bindings_[item.binding].dtype)) return false;
  }
  for (Binding& b : bindings_) {
    const AnyRule& rule = *groups_[static_cast<std::size_t>(b.group)];
    const BoundRule before = b.rule;
    b.rule = rule.bind({++b.t, steps_}, b.dtype);
    if (!std::equal(before.slot_ids, before.slot_ids + before.slot_count, b.rule.slot_ids,
                    b.rule.slot_ids + b.rule.slot_count))
      return false;
  }
  for (Work& item : work_) item.view = view(update, item.index);
  return true;
}

/// Keeps the plan when nothing but the values can change until the next step.
void RuleStage::hold_plan() {
  held_.clear();
  bool fixed = true;
  for (const Work& item : work_)
    fixed &= !item.weight_copy.defined() && !item.grad_copy.defined() &&
             gradient(item.index).body().storage->pool;
  if (fixed && work_.size() == parameters_.size())
    for (std::size_t i = 0; i < parameters_.size(); ++i) held_.push_back(gradient(i));
  else
    work_.clear();  // and with it copies
}

void RuleStage::apply(Update& update) {
  for (const auto& rule : groups_) rule->check_schedules(steps_);
  const bool again = plan_again(update);
  if (!again) {
    held_.clear();
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (const Tensor& g = gradient(i); g.defined()) check_gradient(i, g);
    if (skips(update)) {
      update.skipped = true;
      return;
    }
    plan(update);
  }
  if (work_.empty() && !warned_) {
    warned_ = true;
    logging::warning("step: no parameter has a gradient. Hint: was backward() called?");
  }
  // Nothing can fail from here on.
  ++steps_;
  for (const Work& item : work_) ++memory_[item.index].t;

  const descent::detail::FlushDenormals flush;
  const std::int64_t total = work_.empty() ? 0 : work_.back().first + work_.back().n;
  parallel_for(total, kChunk, [&](std::int64_t begin, std::int64_t end) {
    auto item = std::upper_bound(work_.begin(), work_.end(), begin,
                                 [](std::int64_t at, const Work& w) { return at < w.first; }) -
                1;
    for (; begin < end; ++item) {
      const Binding& bound = bindings_[item->binding];
      const std::int64_t from = begin - item->first, n = std::min(end - begin, item->n - from);
      const std::int64_t at = from * static_cast<std::int64_t>(size_of(bound.dtype));
      void* slots[kMaxSlots];
      for (int k = 0; k < bound.rule.slot_count; ++k) slots[k] = item->slots[k] + at;
      bound.rule.run(bound.rule.formula, n, item->weight + at, item->grad + at, slots,
                     item->view.scale, item->view.limit);
      begin += n;
    }
  });
  for (const Work& item : work_) {
    const Tensor& w = parameters_[item.index].value;
    if (item.weight_copy.defined()) kernel::copy(item.weight_copy, w);
    ++w.body().storage->version;
  }
  if (!again) hold_plan();
}

std::string RuleStage::key(std::size_t i, std::string_view slot_name) const {
  return concat(groups_[static_cast<std::size_t>(memory_[i].group)]->card().name, "/", slot_name,
                "/", parameters_[i].name);
}

void RuleStage::save(State& state) const {
  state["optimizer/steps"] = number(steps_);
  state["optimizer/skipped"] = number(skipped);
  state["optimizer/gradient_evaluations"] = number(evaluations);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const std::string k = concat("group/", g, "/", name);
      if (b)
        state[k] = number(*b ? 1.0 : 0.0);
      else if (h->is_constant())  // a schedule is code, and a function of optimizer/steps
        state[k] = number((*h)(0));
    });
    groups_[g]->visit_fields(fields);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state[key(i, "step")] = number(memory_[i].t);
    const AnyRule& rule = *groups_[static_cast<std::size_t>(memory_[i].group)];
    for (int k = 0; k < rule.slot_count(); ++k) {
      const Tensor& s = memory_[i].slots[static_cast<std::size_t>(k)];
      if (s.defined()) state[key(i, rule.slot_name(k))] = kernel::clone(s);
    }
  }
}

void RuleStage::load_fields(const State& state) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const auto found = state.find(concat("group/", g, "/", name));
      if (found == state.end() || found->second.numel() != 1) return;
      if (b)
        *b = found->second.item() != 0;
      else if (h->is_constant())
        *h = found->second.item();
    });
    groups_[g]->visit_fields(fields);
  }
}

void RuleStage::expect(const State& state, std::vector<StateEntry>& entries) {
  for (const char* key : {"optimizer/steps", "optimizer/skipped", "optimizer/gradient_evaluations"})
    entries.push_back({key, {}, kInt64, true});
  // Which slots a parameter must have depends on the settings that the state brings along: these
  // are tried on, and taken off again.
  State before;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const std::string k = concat("group/", g, "/", name);
      if (b || h->is_constant()) before[k] = number(b ? (*b ? 1.0 : 0.0) : (*h)(0));
      entries.push_back({k, {}, kFloat64, b || h->is_constant()});
    });
    groups_[g]->visit_fields(fields);
  }
  load_fields(state);
  try {
    check();
  } catch (...) {
    load_fields(before);
    throw;
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& w = parameters_[i].value;
    const AnyRule& rule = *groups_[static_cast<std::size_t>(memory_[i].group)];
    entries.push_back({key(i, "step"), {}, kInt64, true});
    const auto t = state.find(key(i, "step"));
    const bool used = t != state.end() && t->second.numel() == 1 && t->second.item() > 0;
    const BoundRule bound = rule.bind({1, 0}, w.dtype());
    for (int k = 0; k < rule.slot_count(); ++k) {
      const bool needed = std::find(bound.slot_ids, bound.slot_ids + bound.slot_count, k) !=
                          bound.slot_ids + bound.slot_count;
      entries.push_back({key(i, rule.slot_name(k)), w.shape(), w.dtype(), used && needed});
    }
  }
  load_fields(before);
}

void RuleStage::load(const State& state) {
  held_.clear();
  steps_ = state.at("optimizer/steps").item<std::int64_t>();
  skipped = state.at("optimizer/skipped").item<std::int64_t>();
  evaluations = state.at("optimizer/gradient_evaluations").item<std::int64_t>();
  load_fields(state);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    memory_[i].t = state.at(key(i, "step")).item<std::int64_t>();
    const AnyRule& rule = *groups_[static_cast<std::size_t>(memory_[i].group)];
    for (int k = 0; k < rule.slot_count(); ++k) {
      const auto found = state.find(key(i, rule.slot_name(k)));
      Tensor& own = memory_[i].slots[static_cast<std::size_t>(k)];
      own = Tensor();
      if (found != state.end()) kernel::copy(found->second, slot(i, k));
    }
  }
}

}  // namespace descent::optim::detail
