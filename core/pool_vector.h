// PoolVector: a std::vector whose memory comes from the free lists of memory.h. Once the lists are
// filled, a PoolVector grows without a call of the system allocator. Internal.
#pragma once

#include <descent/core/memory.h>

#include <vector>

namespace descent::detail {

/// The allocator of PoolVector.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(detail::allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) { detail::deallocate(p, n * sizeof(T)); }
  friend bool operator==(PoolAllocator, PoolAllocator) { return true; }
};

/// A vector on the free lists.
template <class T>
using PoolVector = std::vector<T, PoolAllocator<T>>;

}  // namespace descent::detail
