#include <descent/core/error.h>
#include <descent/core/free_lists.h>
#include <descent/core/memory.h>

#include <pthread.h>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

// Under the address sanitizer, a block in a free list is poisoned and holds the pointer to the next
// block. This option lets the leak checker follow such pointers, so that it reports no leaks. The
// definition stands in every build, because a program built under the sanitizer poisons blocks even
// when the library is built without it.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the leak checker calls a function of this name
extern "C" [[gnu::weak]] const char* __lsan_default_options() { return "use_poisoned=1"; }

namespace descent {
namespace detail {
constinit thread_local FreeLists t_lists;
}
using detail::Block;
using detail::kBlockAlignment;
using detail::kSizeClasses;
using detail::poison;
using detail::t_lists;
using detail::unpoison;

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20, kMost = std::size_t{1} << 50;

/// How many blocks of a size a thread keeps: up to 4 MiB of small blocks, and fewer large blocks.
constexpr int blocks_kept(std::size_t bytes) {
  return bytes <= 1024 ? 4096 : bytes <= 64 * 1024 ? 256 : 32;
}

std::atomic<std::uint64_t> g_system{0}, g_peak{0};
std::atomic<std::int64_t> g_live{0},
    g_held{0};  // g_held: bytes taken from the system and not returned

std::size_t bytes_of(int c) { return detail::kClasses.bytes[c]; }

struct Shared {  // never destroyed: threads may return blocks while the program ends
  std::mutex mutex;
  Block* head[kSizeClasses] = {};
};
Shared& shared() {
  static Shared* s = new Shared;
  // A thread that forks holds the lock, so that the child finds the lists whole and unlocked.
  [[maybe_unused]] static const int registered = ::pthread_atfork(
      [] { s->mutex.lock(); }, [] { s->mutex.unlock(); }, [] { s->mutex.unlock(); });
  return *s;
}

void free_list(Block* head, std::size_t bytes) {
  while (head) {
    unpoison(head, bytes);
    Block* next = head->next;
    std::free(head);
    g_held -= static_cast<std::int64_t>(bytes);
    head = next;
  }
}

// A thread makes a Flusher when it first takes a block from the shared lists or the system. When
// the thread ends, the Flusher hands the thread's blocks to the shared lists. If another
// thread-local variable frees a block after that, the block goes to the shared lists too.
struct Flusher {
  Flusher() {
    for (int c = 0; c < kSizeClasses; ++c) t_lists.room[c] = blocks_kept(bytes_of(c));
    t_lists.open = true;
  }
  ~Flusher() {
    t_lists.open = false;
    detail::publish_live();
    Shared& s = shared();
    const std::lock_guard lock(s.mutex);
    for (int c = 0; c < kSizeClasses; ++c) {
      t_lists.room[c] = 0;
      while (Block* block = t_lists.head[c]) {
        unpoison(block, bytes_of(c));
        t_lists.head[c] = block->next;
        block->next = s.head[c];
        s.head[c] = block;
        poison(block, bytes_of(c));
      }
    }
  }
};

[[noreturn]] void refuse(std::size_t bytes) {
  fail<MemoryError>("memory", "got a request for ", static_cast<unsigned long>(bytes),
                    " bytes, expected one that the system grants");
}

void* from_system(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kBlockAlignment;
  void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!p) refuse(bytes);
#if defined(__linux__)
  if (alignment == kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  g_system.fetch_add(1, std::memory_order_relaxed);
  g_held.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  return p;
}

}  // namespace

namespace detail {

void publish_live() noexcept {
  const std::int64_t now =
      g_live.fetch_add(t_lists.drift, std::memory_order_relaxed) + t_lists.drift;
  t_lists.drift = 0;
  auto peak = g_peak.load(std::memory_order_relaxed);
  while (now > static_cast<std::int64_t>(peak) &&
         !g_peak.compare_exchange_weak(peak, static_cast<std::uint64_t>(now))) {
  }
}

void* take_elsewhere(int c, std::size_t bytes) {
  thread_local const Flusher flusher;
  if (t_lists.fail_in > 0 && --t_lists.fail_in == 0) throw std::bad_alloc();
  Shared& s = shared();
  void* block = nullptr;
  {
    const std::lock_guard lock(s.mutex);
    if (Block* first = s.head[c]) {
      unpoison(first, bytes);
      s.head[c] = first->next;
      block = first;
    }
  }
  if (!block) block = from_system(bytes);
  t_lists.drift += static_cast<std::int64_t>(bytes);
  if (!t_lists.open || t_lists.drift > FreeLists::kLump) publish_live();
  return block;
}

void give_elsewhere(Block* block, int c) noexcept {
  if (!t_lists.open) publish_live();
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  block->next = s.head[c];
  s.head[c] = block;
  poison(block, bytes_of(c));
}

void* allocate(std::size_t bytes) {
  if (bytes > kMost) [[unlikely]]
    refuse(bytes);
  const int c = class_of(bytes);
  return take(c, bytes_of(c));
}

void deallocate(void* p, std::size_t bytes) noexcept {
  if (!p) return;
  const int c = class_of(bytes);
  give(p, c, bytes_of(c));
}

}  // namespace detail

MemoryStats memory_stats() noexcept {
  detail::publish_live();
  const auto live = static_cast<std::uint64_t>(g_live.load());
  return {g_system.load(), live, g_peak.load(), static_cast<std::uint64_t>(g_held.load()) - live};
}

void reset_peak_memory() noexcept {
  detail::publish_live();
  g_peak = static_cast<std::uint64_t>(g_live.load());
}

void release_cached_memory() noexcept {
  for (int c = 0; c < kSizeClasses; ++c) {
    free_list(t_lists.head[c], bytes_of(c));
    t_lists.head[c] = nullptr;
    t_lists.room[c] = t_lists.open ? blocks_kept(bytes_of(c)) : 0;
  }
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  for (int c = 0; c < kSizeClasses; ++c) {
    free_list(s.head[c], bytes_of(c));
    s.head[c] = nullptr;
  }
}

}  // namespace descent
