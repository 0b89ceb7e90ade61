// Memory: every tensor and every graph node takes its block from free lists.
//
// A block is rounded up to a size class, of which there are four to a power of two, and aligned to
// 64 bytes. A freed block goes to the free list of the thread that frees it. If that list is full,
// the block goes to a shared list. After a few training steps all blocks come from the lists:
// memory_stats().system_allocations then stands still.
#pragma once

#include <cstddef>
#include <cstdint>

namespace descent {

/// Counts of the whole program. Bytes are counted after rounding up to the size class.
struct MemoryStats {
  std::uint64_t system_allocations;  ///< calls to the system allocator since the program began
  std::uint64_t live_bytes;          ///< handed out and not yet returned
  std::uint64_t peak_bytes;          ///< the largest live_bytes since reset_peak_memory()
  std::uint64_t cached_bytes;        ///< kept in free lists
};

/// The present counts. For each other thread, the last 64 KiB of changes may be missing.
MemoryStats memory_stats() noexcept;

/// Starts a new peak at the present live_bytes.
void reset_peak_memory() noexcept;

/// Returns to the system the blocks in the calling thread's free lists and in the shared free
/// lists.
void release_cached_memory() noexcept;

namespace detail {
/// A block of at least `bytes` bytes, aligned to 64. Throws MemoryError if the system has none.
void* allocate(std::size_t bytes);
/// Returns a block; `bytes` is what allocate() was asked for. Null is ignored.
void deallocate(void* block, std::size_t bytes) noexcept;
}  // namespace detail

}  // namespace descent
