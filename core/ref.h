// RefPtr: an intrusive, thread-safe reference count. The pointee counts itself and says how it is
// destroyed, so that a tensor's body, its storage and a graph node each cost one block.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace descent::detail {

class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// True when the last reference went. A sole owner skips the atomic write.
  bool drop_ref() noexcept {
    return count_.load(std::memory_order_acquire) == 1 ||
           count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  std::uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint32_t> count_{1};
};

/// T derives from RefCounted and has `static void destroy(T*) noexcept`.
template <class T>
class RefPtr {
 public:
  RefPtr() noexcept = default;
  /// Takes over the reference that `new` made.
  explicit RefPtr(T* p) noexcept : p_(p) {}
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

  T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }

 private:
  T* p_ = nullptr;
};

}  // namespace descent::detail
