#include <descent/autograd/grad_mode.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/rule_stage.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <utility>

namespace descent::optim {

using detail::Closure;
using detail::RuleStage;
using detail::Stage;
using detail::Update;

std::string Range::text() const {
  return to_text(low_open ? "(" : "[", low, ", ", high, high_open ? ")" : "]");
}

namespace detail {

const Tensor& Update::gradient(const Parameters& all, std::size_t i) const {
  if (!made.empty()) return made[i];
  static const Tensor none;
  const auto* node = descent::detail::node_of(all[i].value);
  return node ? static_cast<const descent::detail::Leaf*>(node)->grad : none;
}

void Update::replace(const Parameters& all, std::size_t i, Tensor g) {
  if (made.empty())
    for (std::size_t k = 0; k < all.size(); ++k) made.push_back(all[k].value.grad());
  made[i] = std::move(g);
  views[i] = {};
}

Tensor Update::seen(const Parameters& all, std::size_t i) const {
  const Tensor& g = gradient(all, i);
  const GradientView& v = views[i];
  if (!g.defined() || (v.scale == 1 && v.limit == kInfinity)) return g;
  const NoGradGuard guard;
  const Tensor scaled = v.scale == 1 ? g : g * v.scale;
  return v.limit == kInfinity ? scaled : clamp(scaled, -v.limit, v.limit);
}

}  // namespace detail

Optimizer::Optimizer() {
  auto rules = std::make_unique<RuleStage>();
  rules_ = rules.get();
  stage_ = std::move(rules);
}
Optimizer::Optimizer(Optimizer&& o) noexcept
    : stage_(std::move(o.stage_)),
      rules_(std::exchange(o.rules_, nullptr)),
      current_(std::move(o.current_)) {}
Optimizer& Optimizer::operator=(Optimizer&& o) noexcept {
  if (this == &o) return *this;
  if (current_) *current_ = false;
  stage_ = std::move(o.stage_);
  rules_ = std::exchange(o.rules_, nullptr);
  current_ = std::move(o.current_);
  return *this;
}
Optimizer::~Optimizer() {
  if (current_) *current_ = false;
}

Optimizer wrap(Optimizer inner, const Optimizer::Wrap& make) {
  if (inner.current_) *inner.current_ = false;
  inner.current_ = std::make_shared<bool>(true);
  inner.stage_ = make(std::move(inner.stage_));
  return inner;
}

Parameters Optimizer::named(const std::vector<Tensor>& tensors) {
  Parameters named;
  for (const Tensor& t : tensors) named.push_back({std::to_string(named.size()), t});
  return named;
}

void Optimizer::add_rule(Parameters parameters, std::unique_ptr<detail::AnyRule> rule) {
  if (stage_.get() != &rules())
    fail<StateError>("add_group",
                     "got an optimizer that is wrapped already, expected a plain one. "
                     "Hint: add groups before sam(), clip_norm() and their kin");
  rules().add(std::move(parameters), std::move(rule));
}

RuleStage& Optimizer::rules() const {
  if (!rules_)
    fail<StateError>("optimizer",
                     "got an optimizer that was moved away, expected one in use. Hint: "
                     "go on with what the wrapper gave back");
  return *rules_;
}

int Optimizer::groups() const { return static_cast<int>(rules().groups()); }
const Parameters& Optimizer::parameters() const { return rules().parameters(); }
std::int64_t Optimizer::steps() const { return rules().steps(); }
std::int64_t Optimizer::skipped_steps() const { return rules().skipped; }
std::int64_t Optimizer::gradient_evaluations() const { return rules().evaluations; }
void Optimizer::set_non_finite(NonFinite policy) { rules().policy = policy; }

bool Optimizer::needs_closure() const {
  rules();
  return stage_->needs_closure();
}
bool Optimizer::elementwise() const {
  rules();
  return stage_->elementwise();
}
bool Optimizer::searches() const { return rules().searches(); }

std::vector<Field> Optimizer::fields(int group) const {
  rules();
  struct Lister final : FieldVisitor {
    std::vector<Field> all;
    std::int64_t step = 0;
    void operator()(std::string_view name, Hyper& value, const Range& range) override {
      all.push_back({std::string(name), value(step), range, false});
    }
    void operator()(std::string_view name, bool& value) override {
      all.push_back({std::string(name), value ? 1.0 : 0.0, {0, 1}, true});
    }
  } lister;
  lister.step = steps();
  for (Stage* s = stage_.get(); s; s = s->inner()) s->visit_fields(lister, group, {});
  return lister.all;
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
  descent::detail::perform([stage = stage_.get(), rules = rules_] {
    stage->check_schedules();
    if (rules->tracer) {
      const Tracer tracer = rules->tracer;  // a copy: it may be turned off from inside
      return apply_traced(*stage, tracer, rules->searches());
    }
    Update update(stage->parameters().size());
    stage->apply(update);
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

void Optimizer::apply_traced(Stage& stage, const Tracer& tracer, bool searches) {
  const NoGradGuard guard;
  const Parameters& all = stage.parameters();
  const std::int64_t step = stage.steps();
  std::vector<Tensor> before, gradients;
  std::vector<double> norms;  // now: a line search evaluates further gradients in the same place
  for (const Parameter& p : all) {
    before.push_back(p.value.detach().clone());
    gradients.push_back(p.value.grad());
    norms.push_back(gradients.back().defined() ? kernel::norm2(gradients.back()) : 0);
  }
  Update update(all.size());
  const auto report = [&] {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!gradients[i].defined()) continue;
      TraceRow row{};
      row.step = step;
      row.parameter = all[i].name;
      row.gradient_norm = norms[i];
      row.used_norm = searches ? norms[i] : kernel::norm2(update.seen(all, i));
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
    stage.apply(update);
  } catch (...) {
    try {
      report();
    } catch (...) {  // the step's own error says more
    }
    throw;
  }
  report();
}

Tracer csv_tracer(const std::string& path) {
  auto file = std::make_shared<std::ofstream>(path);
  if (!*file) fail<FileError>("csv_tracer", "could not open '", path, "' to write");
  *file << "step,parameter,gradient_norm,used_norm,weight_norm,update_norm,ratio,effective_rate,"
           "clipped,non_finite\n";
  return [file](const TraceRow& r) {
    std::string name(r.parameter);
    if (name.find_first_of(",\"\n") != std::string::npos) {  // quoted, as RFC 4180 says
      for (std::size_t at = 0; (at = name.find('"', at)) != std::string::npos; at += 2)
        name.insert(at, 1, '"');
      name = "\"" + name + "\"";
    }
    *file << to_text(r.step, ",", name, ",", r.gradient_norm, ",", r.used_norm, ",", r.weight_norm,
                     ",", r.update_norm, ",", r.ratio, ",", r.effective_rate, ",",
                     r.clipped ? 1 : 0, ",", r.non_finite, "\n")
          << std::flush;
  };
}

void Optimizer::step() {
  RuleStage& r = rules();
  if (stage_->needs_closure())
    fail<GraphError>("step", "got no closure, expected one: ", to_string(),
                     " evaluates the gradient more than once. Hint: step([&] { …; loss.backward(); "
                     "return loss; })");
  descent::detail::perform([&r] { ++r.evaluations; });
  apply();
}

double Optimizer::step_with(const Closure& closure) {
  rules();
  if (!descent::detail::recording()) stage_->check_schedules();
  const double loss = stage_->evaluate(closure);
  apply();
  return loss;
}

// ---- hyper-parameters by name ----

namespace {

/// Finds the fields of a name.
struct Finder final : FieldVisitor {
  std::string_view wanted;
  std::vector<std::pair<Hyper*, Range>> hypers;
  std::vector<bool*> switches;
  std::vector<std::string> names;

  explicit Finder(std::string_view name) : wanted(name) {}
  void operator()(std::string_view name, Hyper& value, const Range& range) override {
    names.emplace_back(name);
    if (name == wanted) hypers.emplace_back(&value, range);
  }
  void operator()(std::string_view name, bool& value) override {
    names.emplace_back(name);
    if (name == wanted) switches.push_back(&value);
  }
  bool found() const { return !hypers.empty() || !switches.empty(); }
};

}  // namespace

void detail::fail_schedule(std::string_view rule, std::string_view field, double value,
                           const Range& range, std::int64_t step) {
  fail<ValueError>(rule, "got ", field, " = ", value, " from its schedule at step ", step,
                   ", expected a number in ", range.text());
}

void detail::fail_run(std::string_view rule, const char* member, bool twice) {
  fail<ValueError>(rule, "got a ", member, "() that ",
                   twice ? "called run more than once" : "did not call run",
                   ", expected it to call run(lambda, slot numbers…) once");
}

void detail::fail_slot(std::string_view rule, int slot, int slots) {
  fail<ValueError>(rule, "got run(lambda, … ", slot, " …), expected ",
                   slots == 0 ? std::string("no slot number: the rule has no slots")
                              : to_text("slot numbers in [0, ", slots, ")"),
                   slot == kCurvature ? ". Hint: kCurvature needs wants_curvature(step)" : "");
}

void detail::check_switch(std::string_view op, std::string_view name, const Hyper& value) {
  if (!value.is_constant())
    fail<ValueError>(op, "got ", name, " = ", value.text(),
                     ", expected 0 or 1: a switch follows no schedule");
  if (value(0) != 0 && value(0) != 1)
    fail<ValueError>(op, "got ", name, " = ", value(0), ", expected 0 or 1 for a switch");
}

namespace {

/// What a name stands for, "eps" or "adam.eps": a field of the outermost wrapper that has it, else
/// of the rules.
Finder find(Stage& stage, std::string_view op, std::string_view name, int group,
            std::size_t groups) {
  if (group >= static_cast<int>(groups))
    fail<ValueError>(op, "got group ", group, ", expected one in [0, ", groups, ")");
  const std::size_t field = name.find('.') + 1;  // 0 where there is no dot
  const std::string_view owner = name.substr(0, field > 0 ? field - 1 : 0);
  Finder finder(name.substr(field));
  for (Stage* s = &stage; s && !finder.found(); s = s->inner())
    s->visit_fields(finder, group, owner);
  if (!finder.found()) {
    for (Stage* s = &stage; s; s = s->inner()) s->visit_fields(finder, group, {});
    const std::string near = nearest_match(finder.wanted, finder.names);
    std::sort(finder.names.begin(), finder.names.end());
    finder.names.erase(std::unique(finder.names.begin(), finder.names.end()), finder.names.end());
    std::string all;
    for (const std::string& n : finder.names) all += (all.empty() ? "" : ", ") + n;
    fail<ValueError>(op, "got the name '", name, "', expected one of ", all,
                     near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
  }
  return finder;
}

}  // namespace

double Optimizer::get(std::string_view name, int group) const {
  rules();
  const Finder f = find(*stage_, "get", name, group < 0 ? 0 : group, rules().groups());
  return f.hypers.empty() ? (*f.switches[0] ? 1 : 0) : (*f.hypers[0].first)(steps());
}

void Optimizer::set(std::string_view name, Hyper value, int group) {
  rules();
  const Finder f = find(*stage_, "set", name, group, rules().groups());
  for (const auto& [hyper, range] : f.hypers)
    if (!range.holds(value(0)))
      fail<ValueError>("set", "got ", name, " = ", value(0), ", expected a number in ",
                       range.text());
  if (!f.switches.empty()) detail::check_switch("set", name, value);
  std::vector<Hyper> hypers_before;
  std::vector<bool> switches_before;
  for (const auto& [hyper, range] : f.hypers) hypers_before.push_back(*hyper);
  for (const bool* s : f.switches) switches_before.push_back(*s);
  for (const auto& [hyper, range] : f.hypers) *hyper = value;
  for (bool* s : f.switches) *s = value(0) != 0;
  try {
    rules().check();
  } catch (...) {
    for (std::size_t i = 0; i < f.hypers.size(); ++i) *f.hypers[i].first = hypers_before[i];
    for (std::size_t i = 0; i < f.switches.size(); ++i) *f.switches[i] = switches_before[i];
    throw;
  }
}

// ---- averages ----

Stage* Optimizer::averager() const {
  rules();
  Stage* s = stage_.get();
  while (s && !s->keeps_average()) s = s->inner();
  return s;
}

bool Optimizer::has_average() const {
  const Stage* s = averager();
  return s && s->has_average();
}

void Optimizer::swap_average() {
  Stage* s = averager();
  if (!s)
    fail<StateError>("swap_average", "got ", to_string(),
                     ", expected an optimizer with an average. Hint: wrap it in swa() or ema()");
  descent::detail::perform([s] { s->swap_average(); });
}

AverageGuard::AverageGuard(Optimizer& optimizer) {
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
  stage_->save(state);
  return state;
}

void Optimizer::load_state_dict(const State& state) {
  rules();
  std::vector<detail::StateEntry> entries;
  stage_->expect(state, entries);
  std::string differences;
  std::set<std::string> known;
  for (const detail::StateEntry& e : entries) {
    known.insert(e.key);
    const auto found = state.find(e.key);
    if (found == state.end()) {
      if (e.required)
        differences +=
            to_text("\n  missing: ", e.key, " ", e.shape,
                    e.key.starts_with("group/") ? " (was it saved under a schedule?)" : "");
    } else if (!(found->second.shape() == e.shape) || found->second.dtype() != e.dtype) {
      differences += to_text("\n  ", e.key, ": got ", found->second.dtype(), found->second.shape(),
                             ", expected ", e.dtype, e.shape);
    }
  }
  for (const auto& [key, t] : state)
    if (!known.contains(key)) differences += to_text("\n  unexpected: ", key, " ", t.shape());
  if (!differences.empty())
    fail<StateError>("load_state_dict", "got a state that does not fit ", to_string(), ":",
                     differences);
  stage_->load(state);
}

std::string Optimizer::to_string() const {
  rules();
  return stage_->text();
}

}  // namespace descent::optim
