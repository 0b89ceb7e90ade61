#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/launch.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/groups.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace descent::optim {

using detail::FieldRef;
using detail::Groups;
using detail::Layer;

Optimizer::Optimizer() : layer_(std::make_unique<Groups>()) {}
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;
Optimizer::~Optimizer() = default;

Layer& Optimizer::outermost() const {
  if (!layer_)
    fail<StateError>("optimizer",
                     "got an optimizer that was moved away, expected one in use. Hint: "
                     "go on with what the wrapper gave back");
  return *layer_;
}
Groups& Optimizer::rules() const { return outermost().groups(); }

void Optimizer::wrap(const std::function<std::unique_ptr<Layer>(std::unique_ptr<Layer>&)>& make) {
  outermost();
  std::shared_ptr<void> current = std::make_shared<bool>();
  std::unique_ptr<Layer> wrapped = make(layer_);
  layer_ = std::move(wrapped);
  current_ = std::move(current);
}

std::weak_ptr<Layer> Optimizer::watch() const { return outermost().watch(); }

Parameters Optimizer::named(const std::vector<Tensor>& tensors) {
  Parameters named;
  for (const Tensor& t : tensors) named.push_back({std::to_string(named.size()), t});
  return named;
}

void Optimizer::add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule) {
  if (outermost().inner())
    fail<StateError>("add_group",
                     "got an optimizer that is wrapped already, expected a plain one. "
                     "Hint: add groups before sam(), clip_norm() and their kin");
  rules().add(std::move(parameters), std::move(rule));
}

int Optimizer::groups() const { return static_cast<int>(rules().size()); }
const Parameters& Optimizer::parameters() const { return rules().parameters(); }
std::int64_t Optimizer::steps() const { return rules().steps(); }
std::int64_t Optimizer::skipped_steps() const { return rules().skipped; }
std::int64_t Optimizer::gradient_evaluations() const { return rules().evaluations(); }
void Optimizer::set_non_finite(NonFinite policy) { rules().policy = policy; }

bool Optimizer::needs_closure() const { return outermost().needs_closure(); }
bool Optimizer::elementwise() const { return outermost().elementwise(); }
std::int64_t Optimizer::most_weights() const { return rules().most_weights(); }
bool Optimizer::searches() const { return rules().searches(); }
std::string_view Optimizer::ended() const { return rules().ended(); }
bool Optimizer::full_batch() const { return rules().full_batch(); }
bool Optimizer::takes_residuals() const { return rules().takes_residuals(); }

namespace {
void check_group(const char* op, int group, int least, int groups) {
  if (group < least || group >= groups)
    fail<ValueError>(op, "got group ", group, ", expected one in [0, ", groups, ")");
}
}  // namespace

std::vector<Field> Optimizer::fields(int group) const {
  check_group("fields", group, 0, groups());
  std::vector<Field> all;
  const auto list = [&, step = steps()](const FieldRef& f) {
    all.push_back(
        {std::string(f.name), f.at(step), f.range ? *f.range : Range{0, 1}, !f.number, f.text()});
  };
  for (Layer* s = &outermost(); s; s = s->inner()) s->visit_fields(list, group, {});
  return all;
}

void Optimizer::zero_grad() { descent::zero_grad(parameters()); }

double detail::value_of(Tensor&& loss, Tensor* returned) {
  if (!returned && !descent::detail::recording()) return loss.item();
  if (returned) *returned = std::move(loss);
  return std::numeric_limits<double>::quiet_NaN();
}

void detail::fail_without_closure() {
  fail<ValueError>(
      "step",
      "got an empty function, expected a closure that calls backward() and returns the loss, or "
      "that returns residuals");
}

void Optimizer::apply() {
  if (descent::detail::recording())
    descent::detail::t_tape->guard(
        [current = std::weak_ptr<void>(current_)] { return !current.expired(); });
  descent::detail::perform([&layer = outermost()] {
    const NoGradGuard guard;
    Groups& groups = layer.groups();
    if (groups.tracer) {
      const Tracer tracer = groups.tracer;  // a copy, because the tracer may call set_tracer()
      return apply_traced(layer, tracer);
    }
    Update update(groups);
    make_step(layer, update);
  });
}

void Optimizer::make_step(Layer& layer, Update& update) {
  Groups& groups = layer.groups();
  try {
    layer.check_schedules();
    layer.apply(update);
    groups.finish(update);
  } catch (...) {
    groups.undo();
    throw;
  }
}

// ---- tracing ----

void Optimizer::set_tracer(Tracer tracer) { rules().tracer = std::move(tracer); }

void Optimizer::apply_traced(Layer& layer, const Tracer& tracer) {
  Groups& groups = layer.groups();
  const Parameters& all = groups.parameters();
  const std::int64_t step = groups.steps();
  std::vector<Tensor> before, gradients;
  std::vector<double> norms;  // taken now, because a line search overwrites the gradients
  for (const Parameter& p : all) {
    before.push_back(p.value.detach().clone());
    gradients.push_back(p.value.grad());
    norms.push_back(gradients.back().defined() ? kernel::norm2(gradients.back()) : 0);
  }
  Update update(groups);
  const auto report = [&] {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!gradients[i].defined()) continue;
      TraceRow row{};
      row.step = step;
      row.parameter = all[i].name;
      row.gradient_norm = norms[i];
      row.used_norm = groups.searches() ? norms[i] : update.gradient_norm(i);
      row.weight_norm = kernel::norm2(before[i]);
      row.update_norm = kernel::norm2(all[i].value.detach() - before[i]);
      row.ratio = row.weight_norm > 0 ? row.update_norm / row.weight_norm : 0;
      row.effective_rate = row.used_norm > 0 ? row.update_norm / row.used_norm : 0;
      row.clipped = row.used_norm < row.gradient_norm * (1 - 1e-12);
      const std::vector<double> g = gradients[i].to_vector();
      const auto bad = std::ranges::find_if(g, [](double x) { return !std::isfinite(x); });
      row.non_finite = bad == g.end() ? -1 : bad - g.begin();
      tracer(row);
    }
  };
  try {
    make_step(layer, update);
  } catch (...) {
    try {
      report();
    } catch (...) {  // the error of the step says more than this one
    }
    throw;
  }
  report();
}

void Optimizer::step() {
  if (needs_closure())
    fail<GraphError>("step", "got no closure, expected one: ", to_string(),
                     " evaluates the gradient more than once. Hint: ",
                     takes_residuals() ? "step([&] { return prediction - y; })"
                                       : "step([&] { …; loss.backward(); return loss; })");
  descent::detail::perform([&r = rules()] {
    r.begin();
    r.count_evaluation();
  });
  apply();
}

double Optimizer::step_with(const detail::Closure& closure) {
  Groups& groups = rules();
  descent::detail::perform([&groups] { groups.begin(); });
  try {
    if (!descent::detail::recording()) outermost().check_schedules();
    const double loss = outermost().evaluate(closure);
    apply();
    return loss;
  } catch (...) {
    groups.undo();
    throw;
  }
}

// ---- settings by name ----

namespace {

/// Finds the fields that a name, "eps" or "adam.eps", stands for. If a wrapper has such a field,
/// the outermost such wrapper counts. Otherwise the rules count.
std::vector<FieldRef> find(Layer& outermost, std::string_view op, std::string_view name,
                           int group) {
  const std::size_t dot = name.find('.');
  const std::string_view wanted = dot == name.npos ? name : name.substr(dot + 1);
  const std::string_view owner = dot == name.npos ? "" : name.substr(0, dot);
  std::vector<FieldRef> found;
  const auto take = [&](const FieldRef& f) {
    if (f.name == wanted) found.push_back(f);
  };
  for (Layer* s = &outermost; s && found.empty(); s = s->inner())
    s->visit_fields(take, group, owner);
  if (!found.empty()) return found;
  std::set<std::string> names;
  for (Layer* s = &outermost; s; s = s->inner())
    s->visit_fields([&](const FieldRef& f) { names.emplace(f.name); }, group, {});
  fail<ValueError>(op, "got the name '", name, "', ", expected_one_of(wanted, names));
}

}  // namespace

double detail::get_setting(Layer& outermost, std::string_view name, int group) {
  const std::int64_t step = outermost.groups().steps();
  return find(outermost, "get", name, std::max(group, 0)).front().at(step);
}

Hyper detail::get_hyper(Layer& outermost, std::string_view name, int group) {
  const FieldRef f = find(outermost, "get", name, std::max(group, 0)).front();
  return f.number ? *f.number : Hyper(f.at(0));
}

void detail::set_settings(Layer& outermost, std::string_view name,
                          const std::vector<std::pair<int, Hyper>>& values) {
  std::vector<std::pair<FieldRef, Hyper>> to_set, before;
  for (const auto& [group, value] : values)
    for (const FieldRef& f : find(outermost, "set", name, group)) {
      f.check("set", name, value);
      to_set.emplace_back(f, value);
      before.emplace_back(f, f.flag ? Hyper(*f.flag) : *f.number);
    }
  for (const auto& [field, value] : to_set) field.set(value);
  try {
    outermost.groups().check();
  } catch (...) {
    for (const auto& [field, value] : before) field.set(value);
    throw;
  }
}

double Optimizer::get(std::string_view name, int group) const {
  check_group("get", group, 0, groups());
  return detail::get_setting(outermost(), name, group);
}
void Optimizer::set(std::string_view name, Hyper value, int group) {
  check_group("set", group, -1, groups());
  detail::set_settings(outermost(), name, {{group, std::move(value)}});
}

// ---- averages ----

Layer* Optimizer::averager() const {
  Layer* found = nullptr;
  for (Layer* s = &outermost(); s; s = s->inner()) {
    if (s->is_swapped()) return s;  // the way back to the training weights
    if (!found && s->keeps_average()) found = s;
  }
  return found;
}

bool Optimizer::has_average() const {
  const Layer* s = averager();
  return s && s->has_average();
}

void Optimizer::swap_average() {
  Layer* s = averager();
  if (!s)
    fail<StateError>("swap_average", "got ", to_string(),
                     ", expected an optimizer with an average. Hint: wrap it in swa() or ema()");
  rules().check_places("swap_average");
  descent::detail::perform([s] { s->swap_average(); });
}

AverageGuard::AverageGuard(Optimizer& optimizer) {
  if (const Layer* s = optimizer.averager(); s && s->is_swapped())
    fail<StateError>("average_guard",
                     "got weights that are exchanged for their average already, expected training "
                     "weights. Hint: one guard at a time");
  Layer* const averager = optimizer.averager();
  if (averager) averager_ = averager->watch();
  if (descent::detail::recording()) {
    recorded_ = std::make_shared<bool>(true);
    descent::detail::t_tape->guard([recorded = recorded_] { return *recorded; });
    descent::detail::t_tape->at_failure([averager = averager_] { give_back(averager); });
  }
  optimizer.swap_average();
}

AverageGuard::~AverageGuard() {
  if (descent::detail::recording()) {
    try {
      descent::detail::perform([averager = averager_] { give_back(averager); });
    } catch (...) {  // no memory to record with: the recording cannot be used
      if (recorded_) *recorded_ = false;
    }
  }
  give_back(averager_);
}

void AverageGuard::give_back(const std::weak_ptr<Layer>& averager) {
  if (const auto s = averager.lock(); s && s->is_swapped()) s->swap_average();
}

// ---- state ----

namespace {

/// Returns a state as the present rules expect it. In version 0.1 AMSGrad was a switch of Adam and
/// AdamW: such a state is rewritten for the rule AMSGrad. Any other state is returned unchanged.
/// " (this state was saved by adam)", if a state has slots of rules or wrappers that are not here.
std::string saved_by_others(Layer& outermost, const State& state) {
  std::string own;  // " sam adamw "
  for (Layer* s = &outermost; s; s = s->inner()) own += to_text(" ", s->name(), " ");
  for (std::size_t g = 0; g < outermost.groups().size(); ++g)
    own += to_text(" ", outermost.groups().rule_name(g), " ");
  std::set<std::string> others;
  for (const auto& [key, t] : state) {
    std::string name = key.substr(0, key.find('/'));
    if (name == key || name == "group" || name == "optimizer") continue;  // of every optimizer
    if (const std::size_t last = name.find_last_not_of("0123456789") + 1;
        own.find(to_text(" ", name, " ")) == std::string::npos &&
        own.find(to_text(" ", name.substr(0, last), " ")) == std::string::npos)
      others.insert(name);
  }
  std::string names;
  for (const std::string& name : others) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "" : to_text(" (this state was saved by ", names, ")");
}

State upgraded(const State& state) {
  const auto is_on = [&](const std::string& key) {
    const auto found = state.find(key);
    return found != state.end() && found->second.defined() && found->second.numel() == 1 &&
           found->second.item() != 0;
  };
  std::vector<std::string> groups;  // those that have the switch: "group/0/"
  for (const auto& [key, t] : state)
    if (key.starts_with("group/") && key.ends_with("/amsgrad"))
      groups.push_back(key.substr(0, key.rfind('/') + 1));
  State out = state;
  if (groups.empty()) return out;
  bool everywhere = true;  // the switch is on in all groups
  for (const std::string& group : groups) {
    out.erase(group + "amsgrad");
    everywhere &= is_on(group + "amsgrad");
    if (!is_on(group + "amsgrad")) continue;
    out.emplace(group + "decoupled", full({}, state.contains(group + "decoupled_lr"), kFloat64));
    if (!is_on(group + "decoupled_lr")) out.erase(group + "decoupled_lr");
  }
  for (const std::string rule : {"adamw/", "adam/"})
    for (const auto& [key, t] : state) {
      if (!key.starts_with(rule)) continue;
      // "adam/m/fc.weight" belongs to AMSGrad if the state has a maximum for that parameter.
      const std::size_t slot = key.find('/', rule.size());
      if (everywhere || (slot != key.npos && state.contains(rule + "v_max" + key.substr(slot)))) {
        out.erase(key);
        out.emplace("amsgrad/" + key.substr(rule.size()), t);
      }
    }
  return out;
}

}  // namespace

State Optimizer::state_dict() const {
  State state;
  StateVisitor visit = StateVisitor::saving(state);
  for (Layer* s = &outermost(); s; s = s->inner()) s->state(visit);
  return state;
}

void Optimizer::load_state_dict(const State& state) {
  const State present = upgraded(state);
  load_state(to_string() + saved_by_others(outermost(), present), present,
             [this](StateVisitor& visit) {
               for (Layer* s = &outermost(); s; s = s->inner()) s->state(visit);
             });
}

std::string Optimizer::to_string() const { return outermost().text(); }

}  // namespace descent::optim
