// Tape: work that was done once and can be done again. Internal to compile(); kernels use launch.h.
//
// To record a step, the step is run: launch() does the work of each kernel and gives the tape a
// copy of the work. The copies hold addresses and numbers. replay() calls the copies in their
// order, on the same memory, without tensors, graph or allocation.
//
// Tensors that are made while recording take their memory from the tape's pool. If a tensor dies
// during the recording, the pool uses its block again. Every replay uses the blocks as the
// recording did. If a kernel reads memory of the pool that no recorded kernel wrote, the recording
// throws GraphError. Otherwise a replay could silently miss work that did not go through launch().
//
// Lifetime: the tape keeps alive the storages that kernels read and write, and the members of
// guards, actions and clean-ups. If such a member is a pointer, its object must outlive the tape.
#pragma once

#include <descent/core/floating_mode.h>
#include <descent/core/tensor.h>

#include <initializer_list>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

namespace descent::detail {

class Tape {
 public:
  Tape() : pool_(new TapePool) {}
  Tape(const Tape&) = delete;  // RecordOn points to it
  Tape& operator=(const Tape&) = delete;
  ~Tape();

  /// Does all of the work again. If some work throws, runs the clean-ups and throws the same error.
  void replay() const;
  /// The number of kernels and other actions.
  std::size_t size() const { return items_.size(); }
  /// Bytes that the tape owns.
  std::size_t bytes() const { return pool_->bytes; }
  /// True if all conditions of the recording still hold. If false, a new recording must be made.
  bool holds() const;

  // ---- while recording ----

  /// Tensors of the caller; read before the call returns.
  using Tensors = std::initializer_list<const Tensor*>;
  /// Checks the tensors that a kernel uses, and keeps their memory alive. Throws GraphError; see
  /// launch().
  void note(std::string_view op, Tensors writes, Tensors reads);
  /// Adds a copy of `work`, a function object that takes nothing.
  template <class F>
  void keep(const F& work) {
    follow_floating_mode();
    add(work);
  }
  /// Adds a condition for holds(). Whatever f points to must outlive the tape.
  void guard(std::function<bool()> f) { guards_.push_back(std::move(f)); }
  /// True if the recording meets this leaf for the first time.
  bool first_touch(const RefPtr<GradEdge>& leaf);
  /// Adds a clean-up: if a replay throws, f undoes what the replay began. Whatever f points to must
  /// outlive the tape.
  void at_failure(std::function<void()> f) { cleanups_.push_back(std::move(f)); }
  /// Keeps a tensor that was made outside the recording. Once the tensor has other memory or
  /// another history, or another tensor took its place in a module, holds() is false.
  void rely_on(const Tensor& t);
  /// Memory of the tape for a new tensor.
  RefPtr<Storage> make_storage(std::size_t bytes);
  /// Ends the recording: memory that is given back from now on is not used again.
  void close() {
    pool_->open = false;
    touched_.clear();
  }

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
    void* work;  // in blocks_
  };
  struct External {  // a tensor from outside, with the memory and history that it had
    Tensor tensor;
    RefPtr<Storage> storage;
    RefPtr<GradEdge> edge;
    std::uint32_t left;
  };
  void* arena(std::size_t bytes);  // and room for one more item
  void follow_floating_mode();     // a replay flushes denormals where the recording did

  std::vector<Item> items_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;  // in the last block, with room_ bytes behind it
  std::size_t room_ = 0;
  std::vector<External> externals_;
  std::vector<std::function<bool()>> guards_;
  std::vector<std::function<void()>> cleanups_;
  std::vector<RefPtr<GradEdge>> touched_;
  bool flushes_ = false;
  RefPtr<TapePool> pool_;
};

}  // namespace descent::detail
