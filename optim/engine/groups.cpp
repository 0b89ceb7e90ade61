#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>
#include <descent/core/log.h>
#include <descent/core/parallel.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/groups.h>

#include <cmath>
#include <iterator>
#include <utility>

namespace descent::optim::detail {

using descent::detail::PoolVector;

// ---- what all stages and what all layers share ----

Tensor& Ledger::slot(std::size_t i, int id) {
  Tensor& s = records[i].kept[static_cast<std::size_t>(id)];
  const Tensor& w = parameters[i].value;
  if (s.defined() && s.strides() == w.strides() && s.shape() == w.shape() && s.dtype() == w.dtype())
    return s;
  const AnyRule& rule = rule_of(i);
  const auto shape = rule.slot_shape(id, w.shape());
  if (!shape) return s;
  const bool whole = rule.kind == RuleKind::tensor;
  if (!s.defined()) {
    Tensor made = whole ? zeros(*shape, w.dtype()) : zeros_like(w);
    undo.add([this, i, id] { records[i].kept[static_cast<std::size_t>(id)] = Tensor(); });
    s = std::move(made);
  } else if (!(s.shape() == *shape) || s.dtype() != w.dtype()) {
    fail<StateError>(rule.card.name, "got parameter '", parameters[i].name, "' of ", w.dtype(),
                     w.shape(), ", expected ", s.dtype(), s.shape(),
                     " as at the first step. Hint: convert a module before the optimizer is made");
  } else if (!whole && kernel::is_dense(w) && !(s.strides() == w.strides())) {
    Tensor moved = empty_like(w);
    kernel::copy(s, moved);
    s = moved;
  }
  return s;
}

void Ledger::remember(std::size_t i, bool weights) {
  const Record& m = records[i];
  std::vector<Tensor> kept;
  for (const Tensor& t : m.kept) kept.push_back(t.defined() ? kernel::clone(t) : t);
  undo.add([this, i, t = m.t, kept = std::move(kept), numbers = m.numbers,
            copy = weights ? kernel::clone(parameters[i].value) : Tensor()]() mutable {
    records[i].t = t;
    records[i].kept = std::move(kept);
    records[i].numbers = std::move(numbers);
    if (copy.defined()) kernel::overwrite(copy, parameters[i].value);
  });
}

std::string Ledger::key(std::size_t i, std::string_view name) const {
  return to_text(rule_of(i).card.name, "/", name, "/", parameters[i].name);
}

Groups& Layer::groups() {
  Layer* layer = this;
  while (layer->inner()) layer = layer->inner();
  return static_cast<Groups&>(*layer);
}

void Layer::check_schedules() {
  const std::int64_t step = groups().steps();
  const auto check = [&step](const FieldRef& f) {
    if (f.is_constant()) return;
    f.number->settle(step);
    if (!f.range->holds(f.at(step)))
      f.check(f.owner, f.name, f.at(step), to_text(" from its schedule at step ", step));
  };
  for (Layer* layer = this; layer; layer = layer->inner()) layer->visit_fields(check, -1, {});
}

void Layer::refuse_while_swapped(std::string_view op) const {
  if (is_swapped())
    fail<StateError>(op, "got weights that are exchanged for their average in ", name(),
                     ", expected training weights. Hint: call swap_average() again first");
}

void Layer::give_average(const Parameters& parameters, const std::vector<Tensor>& average) {
  // A user's rule or wrapper may keep anything.
  const auto fits = [](const Tensor& a, const Parameter& p) {
    return a.defined() && a.shape() == p.value.shape() && a.dtype() == p.value.dtype();
  };
  if (!std::ranges::equal(average, parameters, fits))
    fail<StateError>(name(), "got an average of ", average.size(),
                     " tensors, expected one for each of the ", parameters.size(),
                     " parameters, of its shape and dtype");
  // All weights are copied before one is written, because two weights may be views of one tensor.
  std::vector<Tensor> weights, averages;
  for (const Parameter& p : parameters) weights.push_back(kernel::clone(p.value));
  for (std::size_t i = 0; i < average.size(); ++i) {
    averages.push_back(empty_like(weights[i]));  // with the strides of a clone: see kernel::copy()
    kernel::copy(average[i], averages[i]);
  }
  for (std::size_t i = 0; i < averages.size(); ++i)
    kernel::overwrite(averages[i], parameters[i].value);
  training_ = std::move(weights);
}

void Layer::give_training(const Parameters& parameters) {
  for (std::size_t i = training_.size(); i-- > 0;)
    kernel::overwrite(training_[i], parameters[i].value);
  training_.clear();
}

void Layer::revoke_from_here() {
  for (Layer* layer = this; layer; layer = layer->inner()) layer->revocable_ = true;
}

// ---- the groups ----

void Groups::add(Parameters parameters, std::unique_ptr<AnyRule> rule) {
  refuse_while_swapped("add_group");
  const std::string_view name = rule->card.name;
  if (parameters.empty())
    fail<ValueError>(
        name, "got no parameters, expected at least one. Hint: does the module register them?");
  rule->check_settings();
  if ((rule->kind == RuleKind::search || searches()) && size() > 0)
    fail<ValueError>(name,
                     "got a second group, expected one: a line search moves all parameters "
                     "together");
  check_parameters(name, parameters);
  std::int64_t weights = 0;
  for (const Parameter& p : parameters) weights += p.value.numel();
  if (const std::int64_t most = rule->card.most_weights; most > 0 && weights > most)
    fail<ValueError>(name, "got ", weights, " weights, expected at most ", most,
                     ", because it makes a matrix. Hint: ",
                     rule->residuals ? "hessian_free" : "lbfgs", " keeps none");
  for (const Parameter& p : parameters) rule->check_parameter(p.name, p.value);
  // First makes all that takes memory. What follows cannot fail, so no group is added by half.
  std::vector<Ledger::Record> records;
  std::set<std::string> names;
  std::set<const void*> identities;
  for (const Parameter& p : parameters) {
    Ledger::Record& m = records.emplace_back();
    m.group = static_cast<int>(size());
    m.left = p.value.body().left;
    m.kept.resize(rule->slot_names.size());
    for (const Number& number : rule->numbers) m.numbers.push_back(number.start);
    names.insert(p.name);
    identities.insert(&p.value.body());
  }
  std::unique_ptr<SearchStage> search;
  if (rule->kind == RuleKind::search)
    search = std::make_unique<SearchStage>(ledger_, static_cast<SearchRule&>(*rule));
  ledger_.records.reserve(ledger_.records.size() + records.size());
  ledger_.parameters.reserve(ledger_.parameters.size() + parameters.size());
  ledger_.rules.reserve(ledger_.rules.size() + 1);
  std::ranges::move(records, std::back_inserter(ledger_.records));
  std::ranges::move(parameters, std::back_inserter(ledger_.parameters));
  ledger_.rules.push_back(std::move(rule));
  names_.merge(names);
  identities_.merge(identities);
  if (search) search_ = std::move(search);
  elements_.forget();
}

/// Throws if a parameter cannot be trained, or belongs to a group already. If a name is taken by
/// another group, all names of this group get a prefix.
void Groups::check_parameters(std::string_view rule, Parameters& parameters) {
  bool trains = false, clashes = false;
  std::set<std::string> names;
  std::set<const void*> identities;
  for (const Parameter& p : parameters) {
    if (!p.value.defined())
      fail<GraphError>(rule, "got parameter '", p.name, "' without a tensor, expected a leaf");
    if (!p.value.is_leaf())
      fail<GraphError>(rule, "got parameter '", p.name, "', expected a leaf. Hint: detach() it");
    if (kernel::repeats_elements(p.value))
      fail<ValueError>(rule, "got parameter '", p.name,
                       "' whose elements share memory, as expand() makes, expected memory for "
                       "each. Hint: clone()");
    trains |= p.value.requires_grad();  // a frozen parameter gets no gradient and is skipped
    if (!names.insert(p.name).second || !identities.insert(&p.value.body()).second ||
        identities_.contains(&p.value.body()))
      fail<ValueError>(rule, "got parameter '", p.name,
                       "' twice, expected each once, in one group, under a name of its own");
    clashes |= names_.contains(p.name);
  }
  if (!trains)
    fail<GraphError>(rule, "got ", parameters.size(),
                     " parameters none of which requires a gradient, expected at least one. Hint: "
                     "call requires_grad_()");
  if (!clashes) return;  // otherwise two names would be one in the state
  for (Parameter& p : parameters) {
    p.name = to_text("group", size(), ".", p.name);
    if (names_.contains(p.name))
      fail<ValueError>(rule, "got parameter '", p.name,
                       "' in another group already, expected names that differ");
  }
}

void Groups::check() const {
  for (const auto& rule : ledger_.rules) rule->check_settings();
}

void Groups::visit_fields(const FieldVisitor& f, int group, std::string_view owner) {
  for (std::size_t i = 0; i < size(); ++i)
    if ((group < 0 || static_cast<std::size_t>(group) == i) &&
        (owner.empty() || owner == ledger_.rules[i]->card.name))
      ledger_.rules[i]->visit_fields(f);
}

std::string Groups::text() {
  std::string s;
  for (const auto& rule : ledger_.rules)
    s += (s.empty() ? "" : " + ") + fields_text(rule->card.name, "", rule->fields());
  return s;
}

// ---- a step ----

double Groups::evaluate(const Closure& closure) {
  zero_grad(parameters());
  descent::detail::perform([this] { count_evaluation(); });
  if (!needs_closure()) return closure(nullptr);
  if (descent::detail::recording())
    fail<GraphError>(
        name(),
        "got a step inside compile(), expected an eager one: what it evaluates differs "
        "from step to step");
  if (elements_.wants_curvature()) return elements_.evaluate_with_curvature(closure);
  return search_ ? search_->start(closure) : closure(nullptr);
}

void Groups::apply(Update& update) {
  refuse_while_swapped("step");
  check_places("step");
  const std::size_t mark = ledger_.undo.size();
  try {
    bool large = false;  // the square of a gradient overflows
    if (update.non_finite() || !elements_.plan_again(update, policy != NonFinite::ignore)) {
      check_gradients(update);
      if (update.refused()) return update.reach_rule();
      large = policy != NonFinite::ignore && has_large(update);
      if (search_) search_->plan(update);
      elements_.plan(update);
      tensors_.plan(update);
    }
    if (revocable()) {
      ledger_.undo.add([this, steps = ledger_.steps] {
        ledger_.steps = steps;
        elements_.forget();
      });
      for (std::size_t i = 0; i < parameters().size(); ++i) ledger_.remember(i, false);
    }
    if (large && !search_)
      for (std::size_t i = 0; i < parameters().size(); ++i) ledger_.remember(i, true);
    const descent::detail::FlushDenormals flush;
    if (search_) search_->run();
    tensors_.run();
    elements_.run();  // the last, because nothing can be put back once it has written weights
    if (large && !search_ && !slots_are_finite()) {
      elements_.forget();
      ledger_.undo.back_to(mark);
      return update.refuse();
    }
  } catch (const NonFiniteError&) {  // of a rule; refuses() throws in front of a step
    elements_.forget();
    ledger_.undo.back_to(mark);
    if (policy != NonFinite::skip) throw;
    return update.refuse();
  } catch (...) {
    elements_.forget();
    ledger_.undo.back_to(mark);
    throw;
  }
  ++ledger_.steps;
}

void Groups::finish(const Update& update) {
  if (update.was_refused()) {
    if (update.reached_rule()) ++ledger_.steps;
    logging::warning(to_text("step skipped: NaN or infinity in a gradient (", skipped + 1,
                             " so far, ", steps(), " steps in all)"));
    ++skipped;
  }
  ledger_.evaluations += std::exchange(ledger_.evaluations_now, 0);
  ledger_.undo.clear();
}

void Groups::remember_weights() {
  std::vector<Tensor> weights;
  for (const Parameter& p : parameters()) weights.push_back(kernel::clone(p.value));
  ledger_.undo.add([this, weights = std::move(weights)] {
    for (std::size_t i = weights.size(); i-- > 0;)  // two weights may be views of one tensor
      kernel::overwrite(weights[i], parameters()[i].value);
  });
}

void Groups::check_gradients(const Update& update) {
  bool some = false;
  std::string without;  // the first parameter that has no gradient
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    const Tensor &g = update.raw(i), &w = parameters()[i].value;
    if (!g.defined()) {
      if (without.empty() && w.requires_grad()) without = parameters()[i].name;
      continue;
    }
    some = true;
    if (!(g.shape() == w.shape()) || g.dtype() != w.dtype())
      fail<ShapeError>("step", "got a gradient of ", g.dtype(), g.shape(), " for parameter '",
                       parameters()[i].name, "', expected ", w.dtype(), w.shape());
  }
  if (warned_ || (some && (without.empty() || steps() > 0)) || ledger_.rules.front()->gradient_free)
    return;
  warned_ = true;
  logging::warning(some ? to_text("step: parameter '", without,
                                  "' has no gradient. Hint: freeze it if the loss does not use it. "
                                  "If its module's member was assigned to, declare the member as "
                                  "nn::Param")
                        : "step: no parameter has a gradient. Hint: was backward() called?");
}

void Groups::check_places(const char* op) const {
  for (std::size_t i = 0; i < parameters().size(); ++i)
    if (parameters()[i].value.body().left != ledger_.records[i].left)
      fail<StateError>(op, "got the parameter '", parameters()[i].name,
                       "', in whose place its module has another tensor now, expected the "
                       "module's. Hint: make the optimizer after the assignment");
}

bool Groups::has_large(const Update& update) const {
  for (std::size_t i = 0; i < parameters().size(); ++i)
    if (const Tensor& g = update.raw(i);
        g.defined() && kernel::magnitude(g) != kernel::Magnitude::ordinary)
      return true;
  return false;
}

/// True if a rule keeps finite numbers alone. With an infinite one it would stand still for ever.
/// Unless such steps are skipped, throws.
bool Groups::slots_are_finite() const {
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    const Ledger::Record& m = ledger_.records[i];
    const AnyRule& rule = ledger_.rule_of(i);
    std::string_view bad;
    for (std::size_t k = 0; k < m.numbers.size(); ++k)
      if (!std::isfinite(m.numbers[k])) bad = rule.numbers[k].name;
    for (std::size_t k = 0; k < m.kept.size(); ++k)
      if (m.kept[k].defined() && !kernel::all_finite(m.kept[k])) bad = rule.slot_names[k];
    if (bad.empty()) continue;
    if (policy == NonFinite::skip) return false;
    fail<NonFiniteError>(rule.card.name, "got a gradient of '", parameters()[i].name,
                         "' too large for ", parameters()[i].value.dtype(), ": its '", bad,
                         "' would become infinite, and the parameter stand still for ever; nothing "
                         "was changed. Hint: ",
                         parameters()[i].value.dtype() == kFloat64
                             ? "the run diverges; lower lr, or clip with clip_norm"
                             : "clip with clip_norm, or train in double");
  }
  return true;
}

/// Returns the first parameter whose gradient is not finite. If all are finite, returns the number
/// of parameters.
std::size_t Groups::find_non_finite(const Update& update) const {
  PoolVector<char> finite(parameters().size(), 1);
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Tensor& g = update.raw(i);
      finite[i] = !g.defined() || kernel::all_finite(g);
    }
  };
  std::int64_t total = 0;
  for (const Parameter& p : parameters()) total += p.value.numel();
  // A task checks several small parameters. all_finite cuts a large parameter into tasks by itself.
  constexpr std::int64_t kWorthThreads = 200000;
  const auto n = static_cast<std::int64_t>(parameters().size());
  const std::int64_t each = std::max<std::int64_t>(1, total / std::max<std::int64_t>(1, n));
  parallel_for(n, std::max<std::int64_t>(1, kWorthThreads / each), check);
  return static_cast<std::size_t>(std::find(finite.begin(), finite.end(), 0) - finite.begin());
}

bool Groups::refuses(const Update& update) const {
  if (policy == NonFinite::ignore) return false;
  const std::size_t none = parameters().size();
  std::string_view searched = search_ ? search_->loss_not_finite() : "";
  const std::size_t culprit =
      update.non_finite() || !searched.empty() ? none : find_non_finite(update);
  if (search_ && culprit == none && searched.empty()) searched = search_->gradient_not_finite();
  if (culprit == none && !update.non_finite() && searched.empty()) return false;
  if (policy == NonFinite::throw_error)
    fail<NonFiniteError>(
        "step", "got a NaN or infinity in ",
        culprit < none     ? to_text("the gradient of '", parameters()[culprit].name, "'")
        : searched.empty() ? std::string("the norm of all gradients")
                           : std::string(searched),
        ", expected numbers; nothing was changed. Hint: ",
        takes_residuals() ? "start where the model is finite, or make the "
                            "residuals smaller; AnomalyGuard finds the operator"
        : searches()      ? "start elsewhere, or lower lr; AnomalyGuard finds the operator"
                          : "lower lr, clip with clip_norm, or find the operator with "
                            "AnomalyGuard");
  return true;
}

// ---- averages that a rule keeps ----

void Groups::swap_average() {
  if (is_swapped()) return give_training(parameters());
  std::vector<Tensor> values;
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    Ledger::Record& m = ledger_.records[i];
    const AnyRule& rule = ledger_.rule_of(i);
    const Tensor w = parameters()[i].value.detach();
    const bool averages = m.t > 0 && rule.averages;
    values.push_back(averages ? rule.average({m.t, steps(), m.numbers.data()}, w, m.kept) : w);
  }
  give_average(parameters(), values);
}

// ---- state ----

/// Lists what a step does with a NaN, as 0, 1 or 2. Without it, as in states of earlier versions,
/// the present policy stays.
void Groups::visit_policy(StateVisitor& visit) {
  const char* name = "optimizer/non_finite";
  const Tensor t =
      visit.exchange(name, full({}, static_cast<std::int64_t>(policy), kInt64), {}, kInt64, false);
  if (!visit.loads() || !t.defined()) return;
  const auto loaded = t.item<std::int64_t>();
  if (loaded < 0 || loaded > 2)
    fail<ValueError>("load_state_dict", "got ", name, " = ", loaded, ", expected 0, 1 or 2");
  visit.replace(policy, static_cast<NonFinite>(loaded));
}

void Groups::state(StateVisitor& visit) {
  refuse_while_swapped(visit.loads() ? "load_state_dict" : "state_dict");
  if (visit.loads()) elements_.forget();
  if (search_) search_->state(visit);
  visit.enter("", parameters());
  visit("optimizer/steps", ledger_.steps);
  visit("optimizer/skipped", skipped);
  visit("optimizer/gradient_evaluations", ledger_.evaluations);
  visit_policy(visit);
  for (std::size_t g = 0; g < size(); ++g) {
    AnyRule& rule = *ledger_.rules[g];
    visit.enter(to_text("group/", g, "/"), parameters());
    visit.fields(rule.fields());
  }
  if (visit.loads()) check();
  visit.enter("", parameters());
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    Ledger::Record& m = ledger_.records[i];
    const AnyRule& rule = ledger_.rule_of(i);
    const Tensor& w = parameters()[i].value;
    visit(ledger_.key(i, "step"), m.t);
    for (std::size_t k = 0; k < rule.numbers.size(); ++k)
      visit(ledger_.key(i, rule.numbers[k].name), m.numbers[k], true);
    // Which slots a parameter must have depends on the settings. The settings are loaded by now.
    const auto used = rule.slots_in_use(w.dtype());
    for (std::size_t k = 0; k < rule.slot_names.size(); ++k)
      if (const auto shape = rule.slot_shape(static_cast<int>(k), w.shape())) {
        // A setting may have been changed since the last step, so that a further slot is used.
        if (!visit.loads() && m.t > 0 && used[k]) ledger_.slot(i, static_cast<int>(k));
        visit(ledger_.key(i, rule.slot_names[k]), m.kept[k], *shape, w.dtype(), m.t > 0 && used[k]);
      }
  }
}

}  // namespace descent::optim::detail
