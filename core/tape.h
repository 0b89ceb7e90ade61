// Tape: work that was done once and can be done again.
//
// Every kernel does its work through launch(): the work is a function object that holds addresses
// and numbers, nothing that it would have to look up. Normally launch() just calls it. While a Tape
// is recording on this thread, it also keeps a copy; replay() then calls the copies in their order,
// on the same memory, with no tensor, no graph and no allocation in sight. perform() is the same
// for work that is no kernel: an optimizer's update, a draw of dropout's generator.
//
// Tensors made while recording take their memory from the tape, which reuses what is given back
// during the recording: the plan that eager execution followed is the plan of every replay. A
// kernel that reads memory of the tape which no launch has written is refused, so work that went
// past launch() cannot be lost silently.
#pragma once

#include <descent/core/floating_mode.h>
#include <descent/core/tensor.h>
#include <descent/core/thread_state.h>

#include <initializer_list>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

namespace descent::detail {

class Tape {
 public:
  Tape() : pool_(new TapePool) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape();

  /// Does all of it again.
  void replay() const;
  std::size_t size() const { return items_.size(); }
  /// Bytes that the tape owns.
  std::size_t bytes() const { return pool_->bytes; }
  /// Whether what the recording took for granted still holds.
  bool holds() const;

  // ---- while recording ----

  using Tensors = std::initializer_list<const Tensor*>;
  /// Checks and keeps alive what a kernel uses.
  void note(std::string_view op, Tensors writes, Tensors reads);
  template <class F>
  void keep(const F& work) {
    follow_floating_mode();
    add(work);
  }
  /// f() must be true at a replay, else the step has to be recorded anew.
  void guard(std::function<bool()> f) { guards_.push_back(std::move(f)); }
  /// True the first time that it is called with this address.
  bool first_touch(const void* what);
  /// Run when a replay throws: what was begun is put back.
  void at_failure(std::function<void()> f) { cleanups_.push_back(std::move(f)); }
  /// A tensor from outside: kept, and at a replay it must have the same memory and history.
  void rely_on(const Tensor& t);
  RefPtr<Storage> make_storage(std::size_t bytes);
  /// Ends the recording: memory that is given back from now on is not used again.
  void close() { pool_->open = false; }

 private:
  template <class F>
  void add(const F& work) {
    void* place = arena(sizeof(F));
    new (place) F(work);
    items_.push_back({[](void* f) { (*static_cast<F*>(f))(); },
                      [](void* f) { static_cast<F*>(f)->~F(); }, place});
  }
  struct Item {
    void (*call)(void* work);
    void (*destroy)(void* work);
    void* work;
  };
  struct External {  // a tensor from outside: it may not be given other memory
    Tensor tensor;
    RefPtr<Storage> storage;
    RefPtr<GradEdge> edge;
  };
  void* arena(std::size_t bytes);
  void follow_floating_mode();  // denormals are flushed where they were while recording

  std::vector<Item> items_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;  // in the last block, with room_ bytes behind it
  std::size_t room_ = 0;
  std::vector<External> externals_;
  std::vector<std::function<bool()>> guards_;
  std::vector<std::function<void()>> cleanups_;
  std::vector<const void*> touched_;
  bool flushes_ = false;
  RefPtr<TapePool> pool_;
};

/// What make() gives; to a recording it is a constant, made once and never written.
template <class F>
Tensor constant(const F& make) {
  if (!recording()) [[likely]]
    return make();
  const RecordOn nothing(nullptr);
  Tensor t = make();
  t.body().storage->constant = true;
  return t;
}

/// Does the work of a kernel that writes and reads these tensors.
template <class F>
void launch(std::string_view op, Tape::Tensors writes, Tape::Tensors reads, const F& work) {
  for (const Tensor* t : writes)
    if (t->defined()) t->body().storage->finite_at = 0;  // whatever was known of its values
  if (recording()) [[unlikely]] {
    t_tape->note(op, writes, reads);
    t_tape->keep(work);
    const RecordOn nothing(nullptr);
    return work();
  }
  work();
}

/// Does work that is no kernel; what it holds it keeps alive.
template <class F>
void perform(const F& work) {
  launch("", {}, {}, work);
}

/// Throws GraphError: `op` reads values, which differ from replay to replay.
[[noreturn]] void throw_reads_values(std::string_view op);
inline void check_may_read(std::string_view op) {
  if (recording()) [[unlikely]]
    throw_reads_values(op);
}

}  // namespace descent::detail
