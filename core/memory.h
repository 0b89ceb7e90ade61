// Free lists: every tensor body, storage and graph node comes from here, 64-byte aligned.
//
// Blocks are rounded up to size classes (four to a power of two) and kept per thread when freed;
// what overflows a thread's lists goes to a shared one. A training step therefore reaches a steady
// state in which the system allocator is not called at all: `memory_stats().system_allocations`
// stands still.
#pragma once

#include <cstddef>
#include <cstdint>

namespace descent {

struct MemoryStats {
  std::uint64_t system_allocations;  // calls to the system allocator since the program began
  std::uint64_t live_bytes;          // handed out and not yet returned, in size-class bytes
  std::uint64_t peak_bytes;          // the largest live_bytes so far
  std::uint64_t cached_bytes;        // kept in free lists
};

MemoryStats memory_stats() noexcept;

/// Starts a new peak at the present live_bytes.
void reset_peak_memory() noexcept;

/// Returns the calling thread's and the shared free lists to the system.
void release_cached_memory() noexcept;

namespace detail {
/// At least `bytes`, aligned to 64; throws std::bad_alloc.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes) noexcept;  // bytes as asked for
}  // namespace detail

}  // namespace descent
