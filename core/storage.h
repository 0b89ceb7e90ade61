// What a Tensor points to: a Body says how the elements lie, a Storage holds them.
//
//   Tensor ──> Body ───────> Storage ──> elements
//              shape         version
//              strides       (shared by all views)
//              offset
//              edge ──> the graph, which autograd hangs on
//
// For the parts of Descent that build tensors; a program needs <descent/core/tensor.h> alone.
#pragma once

#include <descent/core/dtype.h>
#include <descent/core/ref.h>
#include <descent/core/shape.h>
#include <descent/core/tape_pool.h>

#include <atomic>
#include <functional>
#include <memory>

namespace descent::detail {

struct Body;

/// The memory of a tensor and of all its views, with some facts about the values.
struct Storage : RefCounted {
  void* data = nullptr;  // valid as long as this storage lives
  std::size_t bytes = 0;
  /// Counts writes in place. A Saved tensor notices by this count that it was changed before
  /// backward(); see count_write().
  std::uint32_t version = 0;
  /// Counts the writes in place that operators recorded. A view compares this count with
  /// Body::recorded_at.
  std::uint32_t recorded = 0;
  bool foreign = false;   // the memory is the caller's
  bool written = false;   // a recorded kernel writes it
  bool constant = false;  // it was made once while recording, and no replay writes it
  // Threads that only read a tensor set the next two. All set the same, so the order is relaxed.
  std::atomic<bool> exposed = false;  // data_ptr() was asked for: values may change unseen
  /// If all values were found finite, with finite squares: the version at that time, plus one.
  /// Otherwise 0.
  std::atomic<std::uint32_t> ordinary_at = 0;
  RefPtr<TapePool> pool;  // owns the memory, if the tensor was made during a recording
  std::unique_ptr<std::function<void(void*)>> deleter;  // for the caller's memory; may be null

  /// Takes memory for `bytes` bytes: from the tape that records on this thread, or if there is
  /// none, from the free lists. Up to 2048 bytes lie in one block with the Storage itself.
  static RefPtr<Storage> make(std::size_t bytes);
  /// Takes memory for the elements of a body. Throws MemoryError, which names the shape.
  static RefPtr<Storage> make(const Body& body, DType dtype);
  /// A storage in the caller's memory. Unless `deleter` frees the memory, the memory must outlive
  /// the storage.
  static RefPtr<Storage> borrow(void* data, std::size_t bytes, std::function<void(void*)> deleter);
  static void destroy(Storage*) noexcept;
};

/// Connects a tensor to autograd's graph. Core only counts the references to a GradEdge.
struct GradEdge : RefCounted {
  static void destroy(GradEdge* e) noexcept { e->dispose(); }

 protected:
  virtual ~GradEdge() = default;
  virtual void dispose() noexcept = 0;
};

/// How the elements of one tensor lie in its storage. Handles to one tensor share a Body; a view
/// has a Body of its own and shares the Storage.
struct Body : RefCounted {
  RefPtr<Storage> storage;
  Shape shape, strides;  // strides in elements
  std::int64_t offset = 0, numel = 0;
  DType dtype = kFloat32;
  bool contiguous = true;
  bool is_view = false;
  std::uint32_t places = 0;       // how many parameters and buffers of modules it is
  std::uint32_t left = 0;         // how often another tensor took its place in a module
  std::uint32_t recorded_at = 0;  // storage->recorded when this view was taken
  RefPtr<GradEdge> edge;          // the node that made the tensor, or its leaf; may be null

  Body() = default;
  /// A body with the shape, strides and layout of `like`, and its own type and storage.
  Body(const Body& like, DType type, RefPtr<Storage> own)
      : storage(std::move(own)),
        shape(like.shape),
        strides(like.strides),
        numel(like.numel),
        dtype(type),
        contiguous(like.contiguous) {}

  /// A body of the same elements of the same storage, with the same history.
  Body(const Body& same)
      : storage(same.storage),
        shape(same.shape),
        strides(same.strides),
        offset(same.offset),
        numel(same.numel),
        dtype(same.dtype),
        contiguous(same.contiguous),
        is_view(same.is_view),
        recorded_at(same.recorded_at),
        edge(same.edge) {}

  /// An empty body from the free lists.
  static Body* make();
  static Body* make(const Body& same);
  /// A body shaped like `like`, with new memory for elements of `dtype`.
  static Body* make(const Body& like, DType dtype);
  static void destroy(Body*) noexcept;
  /// Computes numel and contiguous from shape and strides.
  void update_layout() noexcept;
};

}  // namespace descent::detail
