#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/launch.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/groups.h>
#include <descent/optim/engine/settings.h>
#include <descent/optim/engine/upgrade.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace descent::optim {

using detail::FieldRef;
using detail::Groups;
using detail::Layer;

Optimizer::Optimizer() {
  auto rules = std::make_unique<Groups>();
  groups_ = rules.get();
  layer_ = std::move(rules);
}
Optimizer::Optimizer(Optimizer&& o) noexcept
    : layer_(std::move(o.layer_)),
      groups_(std::exchange(o.groups_, nullptr)),
      current_(std::move(o.current_)) {}
Optimizer& Optimizer::operator=(Optimizer&& o) noexcept {
  if (this == &o) return *this;
  if (current_) *current_ = false;
  layer_ = std::move(o.layer_);
  groups_ = std::exchange(o.groups_, nullptr);
  current_ = std::move(o.current_);
  return *this;
}
Optimizer::~Optimizer() {
  if (current_) *current_ = false;
}

void Optimizer::wrap(const std::function<std::unique_ptr<Layer>(std::unique_ptr<Layer>)>& make) {
  rules();
  *current_ = false;
  current_ = std::make_shared<bool>(true);
  Groups* const groups =
      std::exchange(groups_, nullptr);  // if make() throws, *this is as moved from
  layer_ = make(std::move(layer_));
  groups_ = groups;
}

std::weak_ptr<Layer> Optimizer::watch() const {
  rules();
  return layer_->watch();
}

Parameters Optimizer::named(const std::vector<Tensor>& tensors) {
  Parameters named;
  for (const Tensor& t : tensors) named.push_back({std::to_string(named.size()), t});
  return named;
}

void Optimizer::add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule) {
  if (layer_.get() != &rules())
    fail<StateError>("add_group",
                     "got an optimizer that is wrapped already, expected a plain one. "
                     "Hint: add groups before sam(), clip_norm() and their kin");
  rules().add(std::move(parameters), std::move(rule));
}

Groups& Optimizer::rules() const {
  if (!groups_)
    fail<StateError>("optimizer",
                     "got an optimizer that was moved away, expected one in use. Hint: "
                     "go on with what the wrapper gave back");
  return *groups_;
}

int Optimizer::groups() const { return static_cast<int>(rules().groups()); }
const Parameters& Optimizer::parameters() const { return rules().parameters(); }
std::int64_t Optimizer::steps() const { return rules().steps(); }
std::int64_t Optimizer::skipped_steps() const { return rules().skipped; }
std::int64_t Optimizer::gradient_evaluations() const { return rules().evaluations; }
void Optimizer::set_non_finite(NonFinite policy) { rules().policy = policy; }

bool Optimizer::needs_closure() const {
  rules();
  return layer_->needs_closure();
}
bool Optimizer::elementwise() const {
  rules();
  return layer_->elementwise();
}
bool Optimizer::searches() const { return rules().searches(); }

std::vector<Field> Optimizer::fields(int group) const {
  rules();
  std::vector<Field> all;
  const auto list = [&, step = steps()](const FieldRef& f) {
    all.push_back(
        {std::string(f.name), f.at(step), f.range ? *f.range : Range{0, 1}, !f.number, f.text()});
  };
  for (Layer* s = layer_.get(); s; s = s->inner()) s->visit_fields(list, group, {});
  return all;
}

void Optimizer::zero_grad() {
  for (const Parameter& p : parameters())
    if (p.value.requires_grad()) p.value.zero_grad();
}

double detail::value_of(const Tensor& loss) {
  return descent::detail::recording() ? std::numeric_limits<double>::quiet_NaN() : loss.item();
}

void Optimizer::apply() {
  if (descent::detail::recording())
    descent::detail::t_tape->guard([current = current_] { return *current; });
  descent::detail::perform([layer = layer_.get(), groups = groups_] {
    const NoGradGuard guard;
    layer->check_schedules();
    if (groups->tracer) {
      const Tracer tracer = groups->tracer;  // a copy, because the tracer may call set_tracer()
      return apply_traced(*layer, tracer);
    }
    Update update(*groups);
    layer->apply(update);
  });
}

// ---- tracing ----

namespace {

std::int64_t first_non_finite(const Tensor& g) {
  const std::vector<double> values = g.to_vector();
  const auto at =
      std::find_if(values.begin(), values.end(), [](double x) { return !std::isfinite(x); });
  return at == values.end() ? -1 : at - values.begin();
}

}  // namespace

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
      row.non_finite = first_non_finite(gradients[i]);
      tracer(row);
    }
  };
  try {
    layer.apply(update);
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
  Groups& r = rules();
  if (layer_->needs_closure())
    fail<GraphError>("step", "got no closure, expected one: ", to_string(),
                     " evaluates the gradient more than once. Hint: step([&] { …; loss.backward(); "
                     "return loss; })");
  descent::detail::perform([&r] { ++r.evaluations; });
  apply();
}

double Optimizer::step_with(const std::function<double()>& closure) {
  rules();
  if (!descent::detail::recording()) layer_->check_schedules();
  const double loss = layer_->evaluate(closure);
  apply();
  return loss;
}

// ---- settings by name ----

double Optimizer::get(std::string_view name, int group) const {
  rules();
  return detail::get_setting(*layer_, name, group);
}
void Optimizer::set(std::string_view name, Hyper value, int group) {
  rules();
  detail::set_setting(*layer_, name, std::move(value), group);
}

// ---- averages ----

Layer* Optimizer::averager() const {
  rules();
  Layer* outermost = nullptr;
  for (Layer* s = layer_.get(); s; s = s->inner()) {
    if (s->is_swapped()) return s;  // the way back to the training weights
    if (!outermost && s->keeps_average()) outermost = s;
  }
  return outermost;
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
  descent::detail::perform([s] { s->swap_average(); });
}

AverageGuard::AverageGuard(Optimizer& optimizer) {
  if (const Layer* s = optimizer.averager(); s && s->is_swapped())
    fail<StateError>("average_guard",
                     "got weights that are exchanged for their average already, expected training "
                     "weights. Hint: one guard at a time");
  optimizer.swap_average();
  averager_ = optimizer.averager()->watch();
}
AverageGuard::~AverageGuard() {
  descent::detail::perform([averager = averager_] {
    if (const auto s = averager.lock()) s->swap_average();
  });
}

// ---- state ----

State Optimizer::state_dict() const {
  rules();
  State state;
  StateVisitor visit = StateVisitor::saving(state);
  for (Layer* s = layer_.get(); s; s = s->inner()) s->state(visit);
  return state;
}

void Optimizer::load_state_dict(const State& state) {
  rules();
  const State present = detail::upgraded(state);
  load_state(to_string(), present, [this](StateVisitor& visit) {
    for (Layer* s = layer_.get(); s; s = s->inner()) s->state(visit);
  });
}

std::string Optimizer::to_string() const {
  rules();
  return layer_->text();
}

}  // namespace descent::optim
