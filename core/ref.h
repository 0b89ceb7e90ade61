// RefPtr: a pointer that counts references, thread-safely. Internal.
//
// The count lies in the object, and the object's type says how it is destroyed. A tensor's body,
// its storage and a graph node therefore each cost one block of memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace descent::detail {

/// The base of what RefPtr points to. A new object has one reference.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  /// Counts one more reference.
  void add_ref() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// Counts one reference less. Returns true if this was the last reference. A sole owner skips the
  /// atomic write.
  bool drop_ref() noexcept {
    return count_.load(std::memory_order_acquire) == 1 ||
           count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  /// References at present.
  std::uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint32_t> count_{1};
};

/// A counted reference to a T, or null. T derives from RefCounted and has `static void destroy(T*)
/// noexcept`. The end of the last reference calls destroy().
template <class T>
class RefPtr {
 public:
  RefPtr() noexcept = default;
  /// Takes over the first reference of a new object.
  explicit RefPtr(T* p) noexcept : p_(p) {}
  /// Makes one more reference to p. Somebody must hold a reference to p already.
  static RefPtr share(T* p) noexcept {
    if (p) p->add_ref();
    return RefPtr(p);
  }
  RefPtr(const RefPtr& o) noexcept : p_(o.p_) {
    if (p_) p_->add_ref();
  }
  RefPtr(RefPtr&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  RefPtr& operator=(RefPtr o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~RefPtr() {
    if (p_ && p_->drop_ref()) T::destroy(p_);
  }

  /// The pointer. It is valid as long as a reference to the object lives.
  T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }

 private:
  T* p_ = nullptr;
};

}  // namespace descent::detail
