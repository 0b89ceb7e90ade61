#include <descent/core/error.h>
#include <descent/core/kernels/copy.h>
#include <descent/nn/slot.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace descent::nn {

namespace {
std::mutex g_members;  // guards Slot::members of all slots
}

// ---- Slot ----

detail::Slot::Slot(std::string slot_name, const Tensor& t, bool train)
    : name(std::move(slot_name)), value(t), trained(train) {
  ++value.body().places;
}

detail::Slot::~Slot() { --value.body().places; }

void detail::Slot::replace(const Tensor& t) {
  if (t.is_same(value)) return;
  if (!(t.shape() == value.shape()))
    fail<ShapeError>("module", "got ", t.shape(), " for '", name, "', expected ", value.shape(),
                     ", as it was. Hint: for another size make another layer");
  if (is_floating(t.dtype()) != is_floating(value.dtype()))
    fail<DTypeError>("module", "got ", t.dtype(), " for '", name, "', expected ", value.dtype(),
                     ". Hint: convert with .to(…)");
  if (!t.is_leaf())
    fail<GraphError>("module", "got the result of '", t.grad_fn(), "' for '", name,
                     "', expected a leaf. Hint: under a NoGradGuard write values with copy_(), or "
                     "assign t.detach()");
  if (trained && value.requires_grad()) t.requires_grad_();
  const std::lock_guard lock(g_members);
  descent::detail::Body& old = value.body();
  if (--old.places == 0) old.replaced = true;
  ++t.body().places;
  t.body().replaced = false;
  value = t;
  for (Param* member : members) static_cast<Tensor&>(*member) = t;
}

// ---- Param ----

Param::Param(std::shared_ptr<detail::Slot> slot) { join(slot); }
Param::Param(const Param& o) : Tensor() { join(detail::Cloning::of(o.slot_)); }
Param::~Param() { leave(); }

void Param::join(const std::shared_ptr<detail::Slot>& slot) {
  if (!slot) return;
  const std::lock_guard lock(g_members);
  slot->members.push_back(this);
  slot_ = slot;
  static_cast<Tensor&>(*this) = slot->value;
}

void Param::leave() noexcept {
  if (!slot_) return;
  {
    const std::lock_guard lock(g_members);
    std::erase(slot_->members, this);
  }
  slot_.reset();
  static_cast<Tensor&>(*this) = Tensor();
}

Param& Param::operator=(const Param& o) & {
  if (slot_ == o.slot_) return *this;
  const std::shared_ptr<detail::Slot> before = slot_, now = o.slot_;
  leave();
  if (before && before->members.empty()) before->lost = true;
  join(now);
  return *this;
}

Param& Param::operator=(const Tensor& t) & {
  if (!slot_)
    fail<ValueError>("module",
                     "got a tensor for a parameter that the layer does not have, expected none. "
                     "Hint: make the layer with it, or call register_parameter()");
  if (!t.defined())
    fail<ValueError>("module", "got an undefined tensor for '", slot_->name,
                     "', expected one with values");
  slot_->replace(t);
  return *this;
}

// ---- Cloning ----

struct detail::Cloning::Copies {
  std::map<const void*, std::shared_ptr<Module::State>> states;
  std::map<const void*, std::shared_ptr<Slot>> slots;
  std::map<const void*, Tensor> tensors;  // so that tied slots stay tied
};

namespace {
thread_local void* t_copies = nullptr;  // Cloning::Copies
}

detail::Cloning::Cloning()
    : copies_(std::make_unique<Copies>()), before_(static_cast<Copies*>(t_copies)) {
  t_copies = copies_.get();
}
detail::Cloning::~Cloning() { t_copies = before_; }

bool detail::Cloning::active() { return t_copies != nullptr; }

std::shared_ptr<detail::Slot> detail::Cloning::of(const std::shared_ptr<Slot>& slot) {
  auto* const c = static_cast<Copies*>(t_copies);
  if (!c || !slot) return slot;
  auto& copy = c->slots[slot.get()];
  if (copy) return copy;
  Tensor& value = c->tensors[&slot->value.body()];
  if (!value.defined()) {
    value = kernel::clone(slot->value);
    if (slot->value.requires_grad()) value.requires_grad_();
  }
  return copy = std::make_shared<Slot>(slot->name, value, slot->trained);
}

std::shared_ptr<Module::State> detail::Cloning::of(const std::shared_ptr<Module::State>& state) {
  auto* const c = static_cast<Copies*>(t_copies);
  if (!c) return state;
  if (const auto found = c->states.find(state.get()); found != c->states.end())
    return found->second;
  auto copy = std::make_shared<Module::State>();
  c->states.emplace(state.get(), copy);
  copy->name = state->name;
  copy->configuration = state->configuration;
  copy->training = state->training;
  for (const auto& slot : state->parameters) copy->parameters.push_back(of(slot));
  for (const auto& slot : state->buffers) copy->buffers.push_back(of(slot));
  for (const auto& [name, child] : state->children) copy->children.emplace_back(name, of(child));
  return copy;
}

void detail::Cloning::check() const {
  for (const auto& [original, state] : copies_->states) {
    if (state->handles == 0)
      fail<StateError>("clone", "got '", state->name, "' (", state->configuration,
                       ") behind a pointer, expected it as a member: the copy would share it. "
                       "Hint: a Sequential holds modules of any type");
    for (const auto& list : {state->parameters, state->buffers})
      for (const auto& slot : list)
        if (slot->members.empty())
          fail<StateError>("clone", "got '", slot->name, "' of ", state->configuration,
                           " in a member of type Tensor, expected nn::Param: the copy would share "
                           "it. Hint: nn::Param ",
                           slot->name, " = register_parameter(…)");
  }
}

}  // namespace descent::nn
