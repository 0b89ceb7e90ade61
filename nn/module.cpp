#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/nn/module.h>
#include <descent/nn/slot.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <typeinfo>

/// While a summary is made: the shape of each module's latest output.
struct descent::detail::SummaryShapes {
  std::map<const void*, Shape> of;  // the key is the address of the module's state
};

namespace descent::nn {

namespace {

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

}  // namespace

Module::Module(std::string configuration) : state_(std::make_shared<State>()) {
  state_->configuration = std::move(configuration);
  state_->handles = 1;
}

Module::Module(const Module& o) : state_(detail::Cloning::of(o.state_)) {
  ++state_->handles;
  if (!detail::Cloning::active())
    note_move(state_.get(), state_.get(), state_->parameters.size() + state_->buffers.size());
}

Module& Module::operator=(const Module& o) {
  if (this == &o || state_ == o.state_) return *this;
  ++o.state_->handles;
  if (--state_->handles == 0) state_->lost = true;
  note_move(state_.get(), o.state_.get(), state_->parameters.size() + state_->buffers.size());
  state_ = o.state_;
  return *this;
}

Module::~Module() { --state_->handles; }

Tensor Module::operator()(const Tensor& x) {
  return run([&] { return forward(x); });
}

bool Module::summarizing() { return descent::detail::t_summary != nullptr; }

void Module::note_shape(const Tensor& y) const {
  if (descent::detail::t_summary && y.defined())
    descent::detail::t_summary->of[state_.get()] = y.shape();
}

void Module::name_class() const {
  std::call_once(state_->named, [this] {
    if (state_->configuration.empty()) state_->configuration = class_name(typeid(*this));
  });
}

void Module::add_path(Error& e) const {
  const std::string& c = configuration();
  e.add_module(state_->name.empty() ? c.substr(0, c.find(' ')) : state_->name, c);
}

Tensor Module::forward(const Tensor&) {
  fail<Error>(class_name(typeid(*this)),
              "got a call without a forward pass, expected an override of exactly: "
              "Tensor forward(const Tensor& x) override");
}

const std::string& Module::configuration() const {
  name_class();
  return state_->configuration;
}

namespace {

/// The tensors of some slots, with their paths; each once.
template <class State>
Parameters listed(State& root, std::vector<std::shared_ptr<detail::Slot>> State::*slots) {
  Parameters all;
  std::set<const void*> seen;
  root.visit([&](const State& s, const std::string& path) {
    bool lost = s.lost;
    for (const auto& slot : s.*slots) {
      lost = lost || slot->lost;
      if (seen.insert(&slot->value.body()).second)
        all.push_back({join(path, slot->name), slot->value});
    }
    if (lost)
      fail<StateError>("module", "got '", path.empty() ? "a module" : path, "' (", s.configuration,
                       "), which was registered and then replaced by an assignment, expected the "
                       "registered one. Hint: assign before register_module(); to change its "
                       "values use load_state_dict()");
  });
  return all;
}

/// The further names of tied parameters, each with the name in the list.
template <class State>
std::map<std::string, std::string> aliases(State& root) {
  std::map<const void*, std::string> first;
  std::map<std::string, std::string> all;
  root.visit([&](const State& s, const std::string& path) {
    for (const auto& list : {s.parameters, s.buffers})
      for (const auto& slot : list) {
        const std::string name = join(path, slot->name);
        const auto [at, fresh] = first.emplace(&slot->value.body(), name);
        if (!fresh) all.emplace(name, at->second);
      }
  });
  return all;
}

}  // namespace

Parameters Module::parameters() const { return listed(*state_, &State::parameters); }
Parameters Module::buffers() const { return listed(*state_, &State::buffers); }

void Module::set_parameter(const std::string& name, const Tensor& t) {
  std::shared_ptr<detail::Slot> found;
  std::vector<std::string> names;
  state_->visit([&](const State& s, const std::string& path) {
    for (const auto& list : {s.parameters, s.buffers})
      for (const auto& slot : list) {
        names.push_back(join(path, slot->name));
        if (names.back() == name) found = slot;
      }
  });
  if (!found)
    fail<ValueError>("set_parameter", "got the name '", name, "', ", expected_one_of(name, names));
  if (!t.defined()) fail<ValueError>("set_parameter", "got an undefined tensor for '", name, "'");
  found->replace(t);
}

std::vector<std::string> Module::children() const {
  std::vector<std::string> names;
  for (const auto& [name, child] : state_->children) names.push_back(name);
  return names;
}

void Module::train(bool on) {
  std::vector<State*> all;  // first, so that no memory is needed half-way
  state_->visit([&](State& s, const std::string&) { all.push_back(&s); });
  for (State* s : all) s->training = on;
}

TrainingGuard::TrainingGuard(Module& module, bool on) : root_(module.state_) {
  root_->visit(
      [this](Module::State& s, const std::string&) { before_.emplace_back(&s, s.training); });
  for (const auto& [state, training] : before_) state->training = on;
}
TrainingGuard::~TrainingGuard() {
  for (const auto& [state, training] : before_) state->training = training;
}

bool Module::is_training() const {
  if (descent::detail::recording())
    descent::detail::t_tape->guard(
        [state = state_, now = state_->training] { return state->training == now; });
  return state_->training;
}

void Module::to(DType dtype) {
  if (!is_floating(dtype))
    fail<DTypeError>("to", "got ", dtype, ", expected float32 or float64 for a module");
  const NoGradGuard guard;
  std::vector<std::pair<Tensor, Tensor>> converted;  // all of them, before the first is replaced
  for (const Parameters& list : {parameters(), buffers()})
    for (const Parameter& p : list)
      if (is_floating(p.value.dtype()) && p.value.dtype() != dtype)
        converted.emplace_back(p.value, p.value.to(dtype));
  for (const auto& [t, data] : converted) set_data(t, data);
}

void Module::zero_grad() { descent::zero_grad(parameters()); }

std::int64_t Module::num_parameters() const {
  std::int64_t n = 0;
  for (const Parameter& p : parameters()) n += p.value.numel();
  return n;
}

void Module::apply(
    const std::function<void(const std::string&, const std::string&, const Parameters&)>& f) const {
  if (!f) fail<ValueError>("apply", "got an empty function, expected one to call");
  std::vector<std::pair<State*, std::string>> all;
  state_->visit([&](State& s, const std::string& path) { all.emplace_back(&s, path); });
  for (auto i = all.rbegin(); i != all.rend(); ++i) {
    Parameters own;
    for (const auto& slot : i->first->parameters) own.push_back({slot->name, slot->value});
    f(i->second, i->first->configuration, own);
  }
}

std::string Module::summary(const Tensor& example) {
  name_class();
  descent::detail::SummaryShapes shapes;
  if (example.defined()) {
    const descent::detail::SummaryGuard summary(&shapes);
    const NoGradGuard no_grad;
    const FrozenStatisticsGuard frozen;
    (*this)(example);
  }
  struct Row {
    std::string path, configuration, shape, count;
  };
  std::vector<Row> rows{
      {"module", "configuration", example.defined() ? "output" : "", "parameters"}};
  std::set<const void*> counted;
  state_->visit([&](State& s, const std::string& path) {
    std::int64_t n = 0;
    for (const auto& p : s.parameters)
      if (counted.insert(&p->value.body()).second) n += p->value.numel();  // a tied one once
    const auto shape = shapes.of.find(&s);
    rows.push_back({path.empty() ? "(root)" : path, s.configuration,
                    shape == shapes.of.end() ? "" : to_string(shape->second),
                    n > 0 ? std::to_string(n) : "-"});
  });
  std::size_t a = 0, b = 0, c = 0, d = 0;
  for (const Row& r : rows) {
    a = std::max(a, r.path.size());
    b = std::max(b, r.configuration.size());
    c = std::max(c, r.shape.size());
    d = std::max(d, r.count.size());
  }
  std::string out;
  for (const Row& r : rows)
    out += to_text(padded(r.path, a + 2), padded(r.configuration, b + 2),
                   c > 0 ? padded(r.shape, c + 2) : "", std::string(d - r.count.size(), ' '),
                   r.count, "\n");
  return out + to_text("parameters in all: ", num_parameters(), "\n");
}

namespace {
bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = kernel::contiguous(a), y = kernel::contiguous(b);
  return std::memcmp(x.raw(), y.raw(), static_cast<std::size_t>(x.numel()) * size_of(x.dtype())) ==
         0;
}
}  // namespace

std::map<std::string, Tensor> Module::state_dict() const {
  std::map<std::string, Tensor> state;
  for (const Parameters& list : {parameters(), buffers()})
    for (const Parameter& p : list) state[p.name] = p.value.detach().clone();
  return state;
}

void Module::load_state_dict(const std::map<std::string, Tensor>& state) {
  Parameters own = parameters();
  for (const Parameter& b : buffers()) own.push_back(b);
  std::string differences;
  for (const auto& [name, t] : own) {
    const auto found = state.find(name);
    if (found == state.end())
      differences += to_text("\n  missing: ", name, " ", t.shape());
    else if (!found->second.defined())
      differences += to_text("\n  ", name, ": got an undefined tensor, expected ", t.shape());
    else if (!(found->second.shape() == t.shape()))
      differences +=
          to_text("\n  ", name, ": got ", found->second.shape(), ", expected ", t.shape());
  }
  const std::map<std::string, std::string> tied = aliases(*state_);
  const auto repeats = [&](const std::string& name, const Tensor& t) {
    const auto first = tied.find(name);
    if (first == tied.end() || !t.defined()) return false;
    const auto other = state.find(first->second);
    return other != state.end() && other->second.defined() && other->second.shape() == t.shape() &&
           other->second.dtype() == t.dtype() && same_bits(other->second, t);
  };
  for (const auto& [name, t] : state)
    if (!repeats(name, t) &&
        std::none_of(own.begin(), own.end(),
                     [&key = name](const Parameter& p) { return p.name == key; }))
      differences += to_text("\n  unexpected: ", name, t.defined() ? to_text(" ", t.shape()) : "");
  if (!differences.empty())
    fail<StateError>("load_state_dict", "got a state that does not fit the module:", differences);
  // First makes values that can be copied without memory: see kernel::copy(). The state may also
  // hold tensors of this module.
  std::vector<Tensor> values;
  for (const auto& [name, t] : own) {
    values.push_back(empty_like(t));
    kernel::copy(state.at(name), values.back());
  }
  for (std::size_t i = 0; i < own.size(); ++i) kernel::overwrite(values[i], own[i].value);
}

void Module::save(const std::string& path) const { save_tensors(path, state_dict()); }
void Module::load(const std::string& path) { load_state_dict(load_tensors(path).tensors); }

namespace {
template <class List>
void check_name(const char* op, const std::string& name, const List& taken) {
  if (name.empty() || name.find('.') != std::string::npos)
    fail<ValueError>(op, "got the name '", name, "', expected one without a dot");
  for (const auto& t : taken)
    if (t == name) fail<ValueError>(op, "got the name '", name, "' twice, expected each once");
}
}  // namespace

std::shared_ptr<detail::Slot> Module::add_slot(const char* op, const std::string& name,
                                               const Tensor& t, bool trained) {
  std::vector<std::string> taken;
  for (const auto& list : {state_->parameters, state_->buffers})
    for (const auto& slot : list) taken.push_back(slot->name);
  check_name(op, name, taken);
  detail::check_elements(op, name, t);
  if (trained) t.requires_grad_();
  auto& list = trained ? state_->parameters : state_->buffers;
  list.push_back(std::make_shared<detail::Slot>(name, t, trained));
  list.back()->owner = state_.get();
  return list.back();
}

Param Module::register_parameter(const std::string& name, const Tensor& t) {
  return Param(add_slot("register_parameter", name, t, true));
}

Param Module::register_buffer(const std::string& name, const Tensor& t) {
  return Param(add_slot("register_buffer", name, t, false));
}

void Module::adopt(const std::string& name, const Module& child) {
  check_name("register_module", name, children());
  child.name_class();
  if (child.state_->name.empty()) child.state_->name = name;  // for messages
  state_->children.emplace_back(name, child.state_);
}

}  // namespace descent::nn
