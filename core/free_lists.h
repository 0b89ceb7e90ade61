// The fast path of memory.h, inline: take() takes a block from the calling thread's list, and
// give() gives it back. Internal.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define DESCENT_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DESCENT_POISON 1
#endif
#endif
#ifdef DESCENT_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace descent::detail {

inline constexpr int kSizeClasses = 4 * 48;
inline constexpr std::size_t kBlockAlignment = 64;

/// The size class of a block: 64, 80, 96, 112, 128, 160, … bytes, a quarter of a power of two
/// apart.
constexpr int compute_class(std::size_t bytes) {
  if (bytes <= kBlockAlignment) return 0;
  const int log2 = std::bit_width(bytes - 1) - 1;  // 2^log2 < bytes <= 2^(log2+1)
  const auto quarter = (bytes - 1) >> (log2 - 2) & 3;
  return 4 * (log2 - 6) + static_cast<int>(quarter) + 1;
}
/// The bytes of a class.
constexpr std::size_t compute_bytes(int c) {
  if (c == 0) return kBlockAlignment;
  const int log2 = (c - 1) / 4 + 6, quarter = (c - 1) % 4;
  return (std::size_t{1} << log2) + (std::size_t{1} << (log2 - 2)) * (quarter + 1);
}

/// Both functions as tables; small blocks are looked up in steps of 16 bytes.
struct SizeClasses {
  static constexpr std::size_t kTabled = 1024;
  std::uint8_t small[kTabled / 16 + 1] = {};
  std::size_t bytes[kSizeClasses] = {};
  constexpr SizeClasses() {
    for (std::size_t i = 0; i <= kTabled / 16; ++i)
      small[i] = static_cast<std::uint8_t>(compute_class(16 * i));
    for (int c = 0; c < kSizeClasses; ++c) bytes[c] = compute_bytes(c);
  }
};
inline constexpr SizeClasses kClasses;

/// Gives the result of compute_class(), by looking it up in the table.
inline int class_of(std::size_t bytes) {
  return bytes <= SizeClasses::kTabled ? kClasses.small[(bytes + 15) / 16] : compute_class(bytes);
}

/// A free block, in a list.
struct Block {
  Block* next;
};

/// Makes a use of freed memory visible, such as through a span that outlived its tensor. In a debug
/// build, a block in a free list is filled with bytes that are NaN as float or double. Under the
/// address sanitizer, any use of the block is an error.
inline void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifndef NDEBUG
  std::memset(static_cast<Block*>(p) + 1, 0xFF, n - sizeof(Block));
#endif
#ifdef DESCENT_POISON
  __asan_poison_memory_region(p, n);
#endif
}
/// Undoes poison(): the block may be used again.
inline void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifdef DESCENT_POISON
  __asan_unpoison_memory_region(p, n);
#endif
}

/// The free lists of a thread. They are initialised at compile time and have no destructor, so that
/// using the lists costs no check. When the thread ends, memory.cpp hands the blocks to the shared
/// list.
struct FreeLists {
  Block* head[kSizeClasses] = {};
  int room[kSizeClasses] = {};  // how many more blocks may be kept
  bool open = false;            // the thread has begun and not ended
  /// The change of this thread's live bytes that is not yet in the shared count. The thread adds
  /// the change to the shared count from time to time, so that a block needs no atomic operation on
  /// shared memory.
  std::int64_t drift = 0;
  static constexpr std::int64_t kLump = 65536;
  /// For tests: if positive, the fail_in-th block that the thread's lists do not have throws
  /// std::bad_alloc.
  std::int64_t fail_in = 0;
};
extern constinit thread_local FreeLists t_lists;

/// A block from the shared list or the system.
void* take_elsewhere(int c, std::size_t bytes);
/// Gives a block to the shared list.
void give_elsewhere(Block* block, int c) noexcept;
/// Adds this thread's drift to the shared count.
void publish_live() noexcept;

/// A block of class c, which has `bytes` bytes.
inline void* take(int c, std::size_t bytes) {
  FreeLists& lists = t_lists;
  Block* block = lists.head[c];
  if (!block) [[unlikely]]
    return take_elsewhere(c, bytes);
  unpoison(block, bytes);
  lists.head[c] = block->next;
  ++lists.room[c];
  if ((lists.drift += static_cast<std::int64_t>(bytes)) > FreeLists::kLump) [[unlikely]]
    publish_live();
  return block;
}
/// Takes back a block of class c, which has `bytes` bytes.
inline void give(void* p, int c, std::size_t bytes) noexcept {
  FreeLists& lists = t_lists;
  auto* block = static_cast<Block*>(p);
  if ((lists.drift -= static_cast<std::int64_t>(bytes)) < -FreeLists::kLump) [[unlikely]]
    publish_live();
  if (lists.room[c] == 0) [[unlikely]]
    return give_elsewhere(block, c);
  block->next = lists.head[c];
  lists.head[c] = block;
  --lists.room[c];
  poison(block, bytes);
}

/// A block for an object of a size that the compiler knows.
template <std::size_t kBytes>
void* allocate_fixed() {
  constexpr int kClass = compute_class(kBytes);
  return take(kClass, compute_bytes(kClass));
}
/// Returns a block of allocate_fixed().
template <std::size_t kBytes>
void deallocate_fixed(void* p) noexcept {
  constexpr int kClass = compute_class(kBytes);
  give(p, kClass, compute_bytes(kClass));
}

}  // namespace descent::detail

#undef DESCENT_POISON
