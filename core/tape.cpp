#include <descent/core/launch.h>
#include <descent/core/memory.h>

#include <algorithm>

namespace descent::detail {

Tape::~Tape() {
  for (auto item = items_.rbegin(); item != items_.rend(); ++item) item->destroy(item->work);
}

void* Tape::arena(std::size_t bytes) {
  if (items_.size() == items_.capacity()) items_.reserve(2 * items_.size() + 64);
  constexpr std::size_t kBlock = 16384, kAlignment = alignof(std::max_align_t);
  const std::size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (room_ < size) {
    const std::size_t room = std::max(kBlock, size);
    blocks_.push_back(std::make_unique<char[]>(room));
    free_ = blocks_.back().get();
    room_ = room;
  }
  void* place = free_;
  free_ += size;
  room_ -= size;
  return place;
}

void Tape::follow_floating_mode() {
  const bool flushes = (floating_mode() & kFlush) != 0;
  if (flushes == flushes_) return;
  flushes_ = flushes;
  add([flushes] { FlushDenormals::set(flushes); });
}

bool Tape::first_touch(const RefPtr<GradEdge>& leaf) {
  for (const auto& known : touched_)
    if (known.get() == leaf.get()) return false;
  touched_.push_back(leaf);
  return true;
}

void Tape::rely_on(const Tensor& t) {
  Storage& s = *t.body().storage;
  if (s.pool.get() == pool_.get()) return;
  for (const External& e : externals_)
    if (e.tensor.is_same(t)) return;
  externals_.push_back({t, t.body().storage, t.body().edge, t.body().left});
}

void Tape::note(std::string_view op, Tensors writes, Tensors reads) {
  for (const Tensor* t : reads) {
    if (!t->defined()) continue;
    const Storage& s = *t->body().storage;
    if (s.pool.get() == pool_.get() && !s.written && t->numel() > 0)
      fail<GraphError>(op, "got a tensor of shape ", t->shape(),
                       " whose values were not made by operators, expected one that a compiled "
                       "step can make again. Hint: make it before the step, or pass it in");
    rely_on(*t);
  }
  for (const Tensor* t : writes) {
    if (!t->defined()) continue;
    Storage& s = *t->body().storage;
    if (s.constant)
      fail<GraphError>(op, "got a constant of shape ", t->shape(),
                       " to write to, expected a value that each run of a compiled step makes "
                       "anew. Hint: start from zeros(), or from a clone()");
    s.written = true;
    if (!s.pool) s.exposed = true;  // each replay will write to it without counting
    rely_on(*t);
  }
}

void Tape::replay() const {
  const FloatingMode put_back(floating_mode());
  const PlainFloating plain;
  try {
    for (const Item& item : items_) item.call(item.work);
  } catch (...) {
    for (const auto& f : cleanups_) f();
    throw;
  }
}

bool Tape::holds() const {
  for (const External& e : externals_)
    if (e.tensor.body().storage.get() != e.storage.get() ||
        e.tensor.body().edge.get() != e.edge.get() || e.tensor.body().left != e.left)
      return false;
  return std::all_of(guards_.begin(), guards_.end(), [](const auto& f) { return f(); });
}

RefPtr<Storage> Tape::make_storage(std::size_t bytes) {
  auto* s = new (allocate(sizeof(Storage))) Storage;
  RefPtr<Storage> storage(s);
  s->pool = pool_;
  s->bytes = bytes;
  s->data = pool_->take(bytes);
  return storage;
}

void throw_reads_values(std::string_view op) {
  fail<GraphError>(
      op,
      "got a call inside a step that is being compiled, expected no reading of values: "
      "they differ each time the step runs. Hint: return the tensor from the step and "
      "read it there; choose between values with where()");
}

}  // namespace descent::detail
