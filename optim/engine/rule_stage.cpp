#include <descent/autograd/engine.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/log.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/rule_stage.h>
#include <descent/optim/fields.h>

#include <algorithm>
#include <atomic>

namespace descent::optim::detail {

using descent::detail::PoolVector;

namespace {

constexpr std::int64_t kChunk = 16384;  // elements a task
// Below this many elements, waking a thread takes longer than it saves.
constexpr std::int64_t kWorthThreads = 6 * kChunk;

}  // namespace

/// The rule of a group at one step, for all parameters of one count, type and scalars.
struct RuleStage::Binding {
  int group;
  std::int64_t t;
  DType dtype;
  Scalars before, after;  // the scalars that it found, and left
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
  double sums[kMaxSums];          // of a rule that measures first
};

RuleStage::RuleStage() = default;
RuleStage::~RuleStage() = default;

void RuleStage::add(Parameters parameters, std::unique_ptr<AnyRule> rule) {
  refuse_while_swapped("add_group");
  const std::string_view name = rule->card().name;
  if (parameters.empty())
    fail<ValueError>(
        name, "got no parameters, expected at least one. Hint: does the module register them?");
  check_fields(name, [&](FieldVisitor& f) { rule->visit_fields(f); });
  rule->check();
  const bool searching = rule->searches() || searches();
  if (searching && !groups_.empty())
    fail<ValueError>(name,
                     "got a second group, expected one: a line search moves all parameters "
                     "together");
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
    for (Parameter& p : parameters) p.name = to_text("group", groups_.size(), ".", p.name);
  for (const Parameter& p : parameters)
    for (const Parameter& q : parameters_)
      if (q.name == p.name)
        fail<ValueError>(name, "got parameter '", p.name,
                         "' in another group already, expected names that differ");
  for (const Parameter& p : parameters) rule->check_parameter(p.name, p.value);
  for (Parameter& p : parameters) {
    Memory& m = memory_.emplace_back();
    m.group = static_cast<int>(groups_.size());
    m.slots.resize(static_cast<std::size_t>(rule->slot_count()));
    for (const Scalar& scalar : rule->scalars()) m.scalars.push_back(scalar.start);
    parameters_.push_back(std::move(p));
  }
  if (rule->searches()) search_ = std::make_unique<Search>();
  some_measure_ |= rule->measures();
  some_whole_ |= rule->is_whole();
  groups_.push_back(std::move(rule));
  held_.clear();
}

void RuleStage::check() const {
  for (const auto& rule : groups_) {
    check_fields(rule->card().name, [&](FieldVisitor& f) { rule->visit_fields(f); });
    rule->check();
  }
}

void RuleStage::visit_fields(FieldVisitor& f, int group, std::string_view owner) {
  for (std::size_t i = 0; i < groups_.size(); ++i)
    if ((group < 0 || static_cast<std::size_t>(group) == i) &&
        (owner.empty() || owner == groups_[i]->card().name))
      groups_[i]->visit_fields(f);
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
  if (s.defined() && s.strides() == w.strides() && s.shape() == w.shape() && s.dtype() == w.dtype())
    return s;
  const AnyRule& rule = rule_of(i);
  const auto shape = rule.slot_shape(id, w.shape());
  if (!shape) return s;
  if (!s.defined()) {
    s = rule.is_whole() ? zeros(*shape, w.dtype()) : zeros_like(w);
  } else if (!(s.shape() == *shape) || s.dtype() != w.dtype()) {
    fail<StateError>(rule.card().name, "got parameter '", parameters_[i].name, "' of ", w.dtype(),
                     w.shape(), ", expected ", s.dtype(), s.shape(),
                     " as at the first step. Hint: convert a module before the optimizer is made");
  } else if (!rule.is_whole() && kernel::is_dense(w) && !(s.strides() == w.strides())) {
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
std::size_t RuleStage::find_non_finite(const Update& update) const {
  const std::size_t count = parameters_.size();
  PoolVector<const Tensor*> gradients;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor& g = update.gradient(parameters_, i);
    gradients.push_back(g.defined() ? &g : nullptr);
    total += g.defined() ? g.numel() : 0;
  }
  std::atomic<std::size_t> first{count};
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (gradients[i] == nullptr || kernel::all_finite(*gradients[i])) continue;
      std::size_t known = first;
      while (i < known && !first.compare_exchange_weak(known, i)) {
      }
    }
  };
  // Several parameters a task, which only reads them; a large one is cut by all_finite itself.
  const auto n = static_cast<std::int64_t>(count);
  const std::int64_t each = std::max<std::int64_t>(1, total / std::max<std::int64_t>(1, n));
  parallel_for(n, std::max<std::int64_t>(1, 2 * kWorthThreads / each), check);
  return first;
}

/// Refuses, or skips, an update with non-finite gradients. True when it is skipped.
bool RuleStage::refuses(const Update& update) {
  if (policy == NonFinite::ignore) return false;
  const std::size_t culprit = update.non_finite ? parameters_.size() : find_non_finite(update);
  if (culprit == parameters_.size() && !update.non_finite) return false;
  if (policy == NonFinite::throw_error)
    fail<NonFiniteError>("step", "got a NaN or infinity in ",
                         culprit < parameters_.size()
                             ? to_text("the gradient of '", parameters_[culprit].name, "'")
                             : "the norm of all gradients",
                         ", expected numbers; nothing was changed. Hint: lower lr, clip with "
                         "clip_norm, or find the operator with AnomalyGuard");
  ++steps_;
  ++skipped;
  logging::warning(
      to_text("step ", steps_, " skipped: NaN or infinity in a gradient (", skipped, " so far)"));
  return true;
}

/// Each rule is bound once for every group, count, type and scalars that occur: usually one. A rule
/// that measures is bound for each parameter, to its measuring pass first.
std::size_t RuleStage::bind(std::size_t i) {
  const Memory& m = memory_[i];
  const DType dtype = parameters_[i].value.dtype();
  Scalars scalars{};
  std::copy(m.scalars.begin(), m.scalars.end(), scalars.begin());
  const AnyRule& rule = rule_of(i);
  if (!rule.measures())
    for (std::size_t k = 0; k < bindings_.size(); ++k)
      if (const Binding& b = bindings_[k];
          b.group == m.group && b.t == m.t + 1 && b.dtype == dtype && b.before == scalars)
        return k;
  Binding& b = bindings_.emplace_back(Binding{m.group, m.t + 1, dtype, scalars, scalars, {}});
  const Step step{b.t, steps_, b.after.data()};
  if (rule.measures())
    b.rule = rule.bind_measure(step, dtype);
  else if (!rule.is_whole())
    b.rule = rule.bind(step, dtype);
  return bindings_.size() - 1;
}

/// Lists the parameters that have a gradient, with their rules and memory.
void RuleStage::plan(const Update& update) {
  bindings_.clear();
  work_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor &w = parameters_[i].value, &g = update.gradient(parameters_, i);
    if (!g.defined()) continue;
    const std::size_t bound = bind(i);
    Work& item = work_.emplace_back();
    item.index = i;
    item.binding = bound;
    item.first = work_.size() > 1 ? work_[work_.size() - 2].first + work_[work_.size() - 2].n : 0;
    item.n = w.numel();
    item.view = view(update, i);
    std::fill(item.sums, item.sums + kMaxSums, 0.0);
    if (rule_of(i).is_whole()) {
      item.grad_copy = g;
      for (int k = 0; k < rule_of(i).slot_count(); ++k) slot(i, k);
      continue;
    }
    if (!kernel::is_dense(w)) item.weight_copy = kernel::contiguous(w);
    const Tensor& weight = item.weight_copy.defined() ? item.weight_copy : w;
    if (!(g.strides() == weight.strides()) && !(g.is_contiguous() && weight.is_contiguous())) {
      item.grad_copy = empty_like(weight);
      kernel::copy(g, item.grad_copy);
    }
    item.weight = static_cast<char*>(weight.raw());
    item.grad = static_cast<const char*>((item.grad_copy.defined() ? item.grad_copy : g).raw());
    point_at_slots(item);
  }
}

/// Where the slots lie that a work's rule is bound to.
void RuleStage::point_at_slots(Work& item) {
  const BoundRule& rule = bindings_[item.binding].rule;
  const auto curvature = [&]() -> Tensor& {  // of a parameter that had none to estimate: zero
    curvature_.resize(parameters_.size());
    Tensor& estimate = curvature_[item.index];
    if (!estimate.defined()) estimate = zeros_like(parameters_[item.index].value);
    return estimate;
  };
  for (int k = 0; k < rule.slot_count; ++k)
    item.slots[k] = static_cast<char*>(
        (rule.slot_ids[k] == kCurvature ? curvature() : slot(item.index, rule.slot_ids[k])).raw());
}

GradientView RuleStage::view(const Update& update, std::size_t i) const {
  GradientView v = update.views[i];
  if (groups_[static_cast<std::size_t>(memory_[i].group)]->maximize()) v.scale = -v.scale;
  return v;
}

/// A compiled step brings the same gradients each time: the last plan serves again, with the
/// scalars of the new step. False where it does not.
bool RuleStage::plan_again(const Update& update) {
  if (held_.size() != parameters_.size() || !update.made.empty()) return false;
  for (std::size_t i = 0; i < held_.size(); ++i)
    if (!update.gradient(parameters_, i).is_same(held_[i])) return false;
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
    b.before = b.after;
    b.rule = rule.bind({++b.t, steps_, b.after.data()}, b.dtype);
    if (!std::equal(before.slot_ids, before.slot_ids + before.slot_count, b.rule.slot_ids,
                    b.rule.slot_ids + b.rule.slot_count))
      return false;
  }
  for (Work& item : work_) item.view = view(update, item.index);
  return true;
}

/// Keeps the plan when nothing but the values can change until the next step.
void RuleStage::hold_plan(const Update& update) {
  held_.clear();
  const auto stays = [&](const Work& item) {
    const AnyRule& rule = rule_of(item.index);
    return update.gradient(parameters_, item.index).body().storage->pool &&
           !item.weight_copy.defined() && !item.grad_copy.defined() && !rule.measures() &&
           !rule.has_curvature();
  };
  const bool fixed = work_.size() == parameters_.size() && update.made.empty() &&
                     std::all_of(work_.begin(), work_.end(), stays);
  if (fixed)
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      held_.push_back(update.gradient(parameters_, i));
  else
    work_.clear();  // and with it copies
}

void RuleStage::check_schedules() {
  for (const auto& rule : groups_) rule->check_schedules(steps_);
}

void RuleStage::apply(Update& update) {
  refuse_while_swapped("step");
  const bool again = plan_again(update);
  if (!again) {
    held_.clear();
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (const Tensor& g = update.gradient(parameters_, i); g.defined()) check_gradient(i, g);
    if (refuses(update)) {
      update.skipped = true;
      return;
    }
    if (searches()) return search();
    plan(update);
  }
  if (work_.empty() && !warned_) {
    warned_ = true;
    logging::warning("step: no parameter has a gradient. Hint: was backward() called?");
  }
  // Nothing can fail from here on.
  const descent::detail::FlushDenormals flush;
  if (some_measure_) measure();
  run();
  if (some_whole_) run_whole();
  ++steps_;
  for (const Work& item : work_) {
    Memory& m = memory_[item.index];
    const Tensor& w = parameters_[item.index].value;
    ++m.t;
    const Scalars& scalars = bindings_[item.binding].after;
    std::copy(scalars.begin(), scalars.begin() + static_cast<std::ptrdiff_t>(m.scalars.size()),
              m.scalars.begin());
    if (item.weight_copy.defined()) kernel::copy(item.weight_copy, w);
    ++w.body().storage->version;
  }
  share_scalars();
  if (!again) hold_plan(update);
}

/// Rules that share their sums share their scalars too, also with parameters that had no gradient.
void RuleStage::share_scalars() {
  const auto first = std::find_if(work_.begin(), work_.end(), [this](const Work& item) {
    return rule_of(item.index).shares_sums();
  });
  if (first == work_.end()) return;
  const std::vector<double> shared = memory_[first->index].scalars;
  for (std::size_t i = 0; i < memory_.size(); ++i)
    if (rule_of(i).card().name == rule_of(first->index).card().name) memory_[i].scalars = shared;
}

/// Runs each work's bound rule over its elements, in tasks of kChunk; those of whole tensors wait.
void RuleStage::run() {
  const std::int64_t total = work_.empty() ? 0 : work_.back().first + work_.back().n;
  const auto chunk = [&](std::int64_t begin, std::int64_t end) {
    auto item = std::upper_bound(work_.begin(), work_.end(), begin,
                                 [](std::int64_t at, const Work& w) { return at < w.first; }) -
                1;
    for (; begin < end; ++item) {
      const Binding& bound = bindings_[item->binding];
      const std::int64_t from = begin - item->first, n = std::min(end - begin, item->n - from);
      if (bound.rule.run) run_span(*item, from, n, nullptr);
      begin += n;
    }
  };
  parallel_for(total, total < kWorthThreads ? kWorthThreads : kChunk, chunk, Share::in_runs);
}

void RuleStage::run_span(const Work& item, std::int64_t from, std::int64_t n, double* sums) const {
  const Binding& bound = bindings_[item.binding];
  const std::int64_t at = from * static_cast<std::int64_t>(size_of(bound.dtype));
  void* slots[kMaxSlots];
  for (int k = 0; k < bound.rule.slot_count; ++k) slots[k] = item.slots[k] + at;
  bound.rule.run(bound.rule.formula, n, item.weight + at, item.grad + at, slots, item.view.scale,
                 item.view.limit, sums);
}

/// The first pass of the rules that have one. Each parameter is cut into pieces from its own
/// beginning, whose sums are added in order: the result depends on nothing but the values. Then
/// these rules are bound to their update.
void RuleStage::measure() {
  struct Piece {
    Work* item;
    std::int64_t from, n;
    double sums[kMaxSums];
  };
  descent::detail::PoolVector<Piece> pieces;
  for (Work& item : work_)
    if (rule_of(item.index).measures())
      for (std::int64_t from = 0; from < item.n; from += kChunk)
        pieces.push_back({&item, from, std::min(kChunk, item.n - from), {}});
  parallel_for(static_cast<std::int64_t>(pieces.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto i = begin; i < end; ++i) {
                   Piece& p = pieces[static_cast<std::size_t>(i)];
                   run_span(*p.item, p.from, p.n, p.sums);
                 }
               });
  for (const Piece& p : pieces)
    for (int k = 0; k < kMaxSums; ++k) p.item->sums[k] += p.sums[k];

  double shared[kMaxSums] = {};
  for (const Work& item : work_)
    if (rule_of(item.index).shares_sums())
      for (int k = 0; k < kMaxSums; ++k) shared[k] += item.sums[k];
  for (Work& item : work_) {
    const AnyRule& rule = rule_of(item.index);
    if (!rule.measures()) continue;
    Binding& b = bindings_[item.binding];
    b.after = b.before;
    b.rule =
        rule.bind({b.t, steps_, b.after.data(), rule.shares_sums() ? shared : item.sums}, b.dtype);
    point_at_slots(item);
  }
}

/// The rules that work on whole tensors.
void RuleStage::run_whole() {
  const NoGradGuard guard;
  for (const Work& item : work_) {
    const AnyRule& rule = rule_of(item.index);
    if (!rule.is_whole()) continue;
    Binding& b = bindings_[item.binding];
    // Row-major, whatever the parameter's layout: the same sums in the same order.
    const Tensor own = parameters_[item.index].value.detach(), w = kernel::contiguous(own);
    const GradientView& v = item.view;
    Tensor g = kernel::contiguous(item.grad_copy);
    if (v.scale != 1) g = g * v.scale;
    if (v.limit != kInfinity) g = clamp(g, -v.limit, v.limit);
    std::vector<Tensor>& slots = memory_[item.index].slots;
    rule.update({b.t, steps_, b.after.data()}, w, g, slots);
    for (Tensor& slot : slots)  // `slots[0] = w` keeps what w is now
      if (slot.defined() && (slot.shares_storage(own) || slot.shares_storage(w) ||
                             slot.shares_storage(item.grad_copy)))
        slot = kernel::clone(slot);
    if (!w.shares_storage(own)) kernel::copy(w, own);
  }
}

}  // namespace descent::optim::detail
