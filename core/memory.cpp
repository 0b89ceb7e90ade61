#include <descent/core/memory.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define DESCENT_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DESCENT_POISON 1
#endif
#endif
#ifdef DESCENT_POISON
#include <sanitizer/asan_interface.h>
// Blocks in the free lists are poisoned and hold the pointers to the next ones: they are no leaks.
extern "C" [[gnu::weak]] const char* __lsan_default_options() { return "use_poisoned=1"; }
#endif

namespace descent {
namespace {

constexpr int kClasses = 4 * 48;
constexpr std::size_t kAlignment = 64, kHugePage = std::size_t{2} << 20;

/// How many blocks of a size a thread keeps: 4 MiB of small ones, fewer of large ones.
constexpr int blocks_kept(std::size_t bytes) {
  return bytes <= 1024 ? 4096 : bytes <= 64 * 1024 ? 256 : 32;
}

struct Block {
  Block* next;
};

std::atomic<std::uint64_t> g_system{0}, g_peak{0};
std::atomic<std::int64_t> g_live{0},
    g_held{0};  // g_held: what the system gave and did not get back

// Classes 64, 80, 96, 112, 128, 160, … bytes: a quarter of a power of two apart.
constexpr int compute_class(std::size_t bytes) {
  if (bytes <= kAlignment) return 0;
  const int log2 = std::bit_width(bytes - 1) - 1;  // 2^log2 < bytes <= 2^(log2+1)
  const auto quarter = (bytes - 1) >> (log2 - 2) & 3;
  return 4 * (log2 - 6) + static_cast<int>(quarter) + 1;
}

constexpr std::size_t compute_bytes(int c) {
  if (c == 0) return kAlignment;
  const int log2 = (c - 1) / 4 + 6, quarter = (c - 1) % 4;
  return (std::size_t{1} << log2) + (std::size_t{1} << (log2 - 2)) * (quarter + 1);
}

// Both as tables, the classes of small blocks in steps of 16 bytes: a block is found in a few
// instructions.
constexpr std::size_t kTabled = 1024;
struct Tables {
  std::uint8_t small[kTabled / 16 + 1] = {};
  std::size_t bytes[kClasses] = {};
  constexpr Tables() {
    for (std::size_t i = 0; i <= kTabled / 16; ++i)
      small[i] = static_cast<std::uint8_t>(compute_class(16 * i));
    for (int c = 0; c < kClasses; ++c) bytes[c] = compute_bytes(c);
  }
};
constexpr Tables kTables;

int class_of(std::size_t bytes) {
  return bytes <= kTabled ? kTables.small[(bytes + 15) / 16] : compute_class(bytes);
}
std::size_t bytes_of(int c) { return kTables.bytes[c]; }

void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifdef DESCENT_POISON
  __asan_poison_memory_region(p, n);
#endif
}
void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifdef DESCENT_POISON
  __asan_unpoison_memory_region(p, n);
#endif
}

struct Shared {  // never destroyed: threads may return blocks while the program ends
  std::mutex mutex;
  Block* head[kClasses] = {};
};
Shared& shared() {
  static Shared* s = new Shared;
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

// A thread's lists. Constant-initialised and without a destructor, so that reaching it costs no
// check; the Flusher below, which the thread makes when it first needs a block from elsewhere,
// hands the lists over when the thread ends. Blocks that are freed later still, by other
// thread-locals, find no room here and go to the shared lists.
struct Cache {
  Block* head[kClasses] = {};
  int room[kClasses] = {};  // how many more blocks may be kept
  bool open = false;
  // Live bytes are gathered here and published in lumps, so that a block costs no shared atomic.
  std::int64_t live = 0, published = 0;

  void publish() {
    const auto now =
        g_live.fetch_add(live - published, std::memory_order_relaxed) + live - published;
    published = live;
    auto peak = g_peak.load(std::memory_order_relaxed);
    while (now > static_cast<std::int64_t>(peak) &&
           !g_peak.compare_exchange_weak(peak, static_cast<std::uint64_t>(now))) {
    }
  }
  void count_live(std::int64_t bytes) {
    live += bytes;
    const std::int64_t drift = live - published;
    if (drift > 65536 || drift < -65536) [[unlikely]]
      publish();
  }
};
constinit thread_local Cache t_cache;

struct Flusher {
  Flusher() {
    for (int c = 0; c < kClasses; ++c) t_cache.room[c] = blocks_kept(bytes_of(c));
    t_cache.open = true;
  }
  ~Flusher() {
    t_cache.open = false;
    t_cache.publish();
    Shared& s = shared();
    const std::lock_guard lock(s.mutex);
    for (int c = 0; c < kClasses; ++c) {
      t_cache.room[c] = 0;
      while (Block* block = t_cache.head[c]) {
        unpoison(block, sizeof(Block));
        t_cache.head[c] = block->next;
        block->next = s.head[c];
        s.head[c] = block;
        poison(block, bytes_of(c));
      }
    }
  }
};

void* from_system(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  g_system.fetch_add(1, std::memory_order_relaxed);
  g_held.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  return p;
}

[[gnu::noinline]] void* refill(int c) {
  thread_local const Flusher flusher;
  if (!t_cache.open) t_cache.publish();
  const std::size_t bytes = bytes_of(c);
  Shared& s = shared();
  {
    const std::lock_guard lock(s.mutex);
    if (Block* block = s.head[c]) {
      unpoison(block, bytes);
      s.head[c] = block->next;
      return block;
    }
  }
  return from_system(bytes);
}

[[gnu::noinline]] void give_to_shared(Block* block, int c) {
  if (!t_cache.open) t_cache.publish();
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  block->next = s.head[c];
  s.head[c] = block;
  poison(block, bytes_of(c));
}

}  // namespace

namespace detail {

void* allocate(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 50)) [[unlikely]]
    throw std::bad_alloc();
  const int c = class_of(bytes);
  Cache& cache = t_cache;
  cache.count_live(static_cast<std::int64_t>(bytes_of(c)));
  Block* block = cache.head[c];
  if (!block) [[unlikely]]
    return refill(c);
  unpoison(block, bytes_of(c));
  cache.head[c] = block->next;
  ++cache.room[c];
  return block;
}

void deallocate(void* p, std::size_t bytes) noexcept {
  if (!p) return;
  const int c = class_of(bytes);
  Cache& cache = t_cache;
  const std::size_t size = bytes_of(c);
  cache.count_live(-static_cast<std::int64_t>(size));
  auto* block = static_cast<Block*>(p);
  if (cache.room[c] == 0) [[unlikely]]
    return give_to_shared(block, c);
  block->next = cache.head[c];
  cache.head[c] = block;
  --cache.room[c];
  poison(block, size);
}

}  // namespace detail

MemoryStats memory_stats() noexcept {
  t_cache.publish();
  const auto live = static_cast<std::uint64_t>(g_live.load());
  return {g_system.load(), live, g_peak.load(), static_cast<std::uint64_t>(g_held.load()) - live};
}

void reset_peak_memory() noexcept {
  t_cache.publish();
  g_peak = static_cast<std::uint64_t>(g_live.load());
}

void release_cached_memory() noexcept {
  for (int c = 0; c < kClasses; ++c) {
    free_list(t_cache.head[c], bytes_of(c));
    t_cache.head[c] = nullptr;
    t_cache.room[c] = t_cache.open ? blocks_kept(bytes_of(c)) : 0;
  }
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  for (int c = 0; c < kClasses; ++c) {
    free_list(s.head[c], bytes_of(c));
    s.head[c] = nullptr;
  }
}

}  // namespace descent
