// How every kernel does its work: through launch(), so that a compiled step can do it again.
//
//   launch("neg", {&out}, {&x}, [=, n = x.numel()] {  // addresses and numbers, taken beforehand
//     for (std::int64_t i = 0; i < n; ++i) to[i] = -from[i];
//   });
//
// Normally launch() only calls the work. While a tape records on this thread (see tape.h), launch()
// also keeps a copy of the work. The work therefore looks nothing up: no shape, no mode, no tensor.
//
// Under launch() the thread rounds to nearest and no floating-point operation raises a signal.
//
// If code writes through a raw pointer, without launch(), the code must call count_write().
#pragma once

#include <descent/core/floating_mode.h>
#include <descent/core/tape.h>
#include <descent/core/tensor.h>
#include <descent/core/thread_state.h>

#include <string_view>

namespace descent::detail {

/// Does the work of a kernel: `work` writes the tensors `writes` and reads the tensors `reads`.
/// `op` is the operator's name, for errors. Undefined tensors may stand in both lists. While a tape
/// records, throws GraphError if `work` reads values that no replay would make, or writes a
/// constant.
template <class F>
void launch(std::string_view op, Tape::Tensors writes, Tape::Tensors reads, const F& work) {
  for (const Tensor* t : writes)
    if (t->defined())  // new values may be infinite
      t->body().storage->ordinary_at.store(0, std::memory_order_relaxed);
  const PlainFloating plain;
  if (recording()) [[unlikely]] {
    t_tape->note(op, writes, reads);
    t_tape->keep(work);
    const RecordOn nothing(nullptr);
    return work();
  }
  work();
}

/// Does work that is no kernel, such as an optimizer's update; each replay does the work again. A
/// copy of `work` lives as long as the recording, and keeps its members alive. If a member is a
/// pointer, the object that it points to must outlive the recording.
template <class F>
void perform(const F& work) {
  launch("", {}, {}, work);
}

/// The tensor that make() returns. While a tape records, make() is called once, and the replays
/// only read the tensor.
template <class F>
Tensor constant(const F& make) {
  if (!recording()) [[likely]]
    return make();
  const RecordOn nothing(nullptr);
  Tensor t = make();
  t.body().storage->constant = true;
  return t;
}

/// Counts one write in place to t's storage: what autograd saved before is stale from now on. A
/// recorded step counts again at each replay. Call count_write() after every write that does not
/// use a member of Tensor. kernel::overwrite() calls count_write() itself.
inline void count_write(const Tensor& t) {
  Storage& storage = *t.body().storage;
  if (!recording() || storage.pool) [[likely]] {
    ++storage.version;
    return;
  }
  perform([kept = t.body().storage] { ++kept->version; });
}

/// Throws GraphError, which says that `op` reads values, and that values differ from replay to
/// replay.
[[noreturn]] void throw_reads_values(std::string_view op);

/// Throws GraphError while a tape records. `op` is the operation that wants to read values.
inline void check_may_read(std::string_view op) {
  if (recording()) [[unlikely]]
    throw_reads_values(op);
}

}  // namespace descent::detail
