#include <descent/core/error.h>
#include <descent/core/kernels/copy.h>
#include <descent/nn/slot.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

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

void detail::check_elements(const char* op, const std::string& name, const Tensor& t) {
  if (kernel::repeats_elements(t))
    fail<ValueError>(op, "got elements of '", name,
                     "' that share memory, as expand() makes, expected memory for each. Hint: "
                     "clone()");
}

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
  check_elements("module", name, t);
  // A parameter that another module has frozen stays frozen.
  if (trained && value.requires_grad() && t.body().places == 0) t.requires_grad_();
  std::vector<Tensor> before;  // released after the lock: a hook may hold a Param
  {
    const std::lock_guard lock(g_members);
    before.reserve(members.size() + 1);
    --value.body().places;
    ++value.body().left;
    ++t.body().places;
    before.push_back(std::exchange(value, t));
    for (Param* member : members) before.push_back(std::exchange(static_cast<Tensor&>(*member), t));
  }
}

void detail::Slot::exchange(Tensor& t) noexcept {
  const std::lock_guard lock(g_members);
  --value.body().places;
  ++t.body().places;
  std::swap(value, t);  // t keeps what the members held
  for (Param* member : members) static_cast<Tensor&>(*member) = value;
}

namespace {

/// Copies and assignments of modules that are under way on this thread: after the base of a module
/// come its members. Nested modules come between a module's base and its own Params.
struct Moves {
  struct Move {
    const void *from, *to;  // states; of a copy both are the same
    std::size_t left;       // Params of the module that are still to come
  };
  static constexpr std::size_t kMost = 64;  // a member that is no Param leaves its move unfinished
  std::array<Move, kMost> all;
  std::size_t n;  // how many

  void erase(std::size_t i) {
    std::copy(all.begin() + static_cast<std::ptrdiff_t>(i) + 1,
              all.begin() + static_cast<std::ptrdiff_t>(n),
              all.begin() + static_cast<std::ptrdiff_t>(i));
    --n;
  }
  void begin(const void* from, const void* to, std::size_t params) {
    if (params == 0) return;
    if (n == kMost) erase(0);
    all[n++] = {from, to, params};
  }
  /// True if a Param of the state `from` is copied or assigned as a part of its module.
  bool take(const void* from, const void* to) {
    for (std::size_t i = n; i-- > 0;)
      if (all[i].from == from && all[i].to == to) {
        if (--all[i].left == 0) erase(i);
        return true;
      }
    return false;
  }
  /// Another state may get the address of one that is gone.
  void forget(const void* state) {
    for (std::size_t i = n; i-- > 0;)
      if (all[i].from == state || all[i].to == state) erase(i);
  }
};
constinit thread_local Moves t_moves{};  // needs no destructor: modules may outlive it

}  // namespace

void note_move(const void* from, const void* to, std::size_t params) {
  t_moves.begin(from, to, params);
}

void forget_moves(const void* state) noexcept { t_moves.forget(state); }

// ---- Param ----

Param::Param(std::shared_ptr<detail::Slot> slot) { join(slot); }

// A copy that is no member of a module stays a plain handle.
Param::Param(const Param& o) : Tensor(o) {
  if (detail::Cloning::active())
    join(detail::Cloning::of(o.slot_));
  else if (o.slot_ && t_moves.take(o.slot_->owner, o.slot_->owner))
    join(o.slot_);
}

Param::~Param() { leave(); }

void Param::join(const std::shared_ptr<detail::Slot>& slot) {
  if (!slot) return;
  const std::lock_guard lock(g_members);
  slot->members.push_back(this);
  slot_ = slot;
  static_cast<Tensor&>(*this) = slot->value;
}

void Param::leave() noexcept {
  if (slot_) {
    const std::lock_guard lock(g_members);
    std::erase(slot_->members, this);
  }
  slot_.reset();
  static_cast<Tensor&>(*this) = Tensor();
}

Param& Param::operator=(const Param& o) & {
  if (this == &o || (slot_ && slot_ == o.slot_)) return *this;
  const auto owner = [](const Param& p) { return p.slot_ ? p.slot_->owner : nullptr; };
  // A slot without an owner is of a module that is gone: its handle was assigned just now.
  const bool with_module =
      slot_ ? !owner(*this) || t_moves.take(owner(*this), owner(o)) : !defined();
  if (!with_module) return *this = static_cast<const Tensor&>(o);
  const std::shared_ptr<detail::Slot> before = slot_, now = o.slot_;
  leave();
  if (before && before->members.empty()) before->lost = true;
  if (now)
    join(now);
  else
    static_cast<Tensor&>(*this) = o;
  return *this;
}

Param& Param::operator=(const Tensor& t) & {
  if (!slot_ && defined()) {  // a plain handle
    static_cast<Tensor&>(*this) = t;
    return *this;
  }
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
  for (const auto& list : {copy->parameters, copy->buffers})
    for (const auto& slot : list) slot->owner = copy.get();
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
