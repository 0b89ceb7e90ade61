#include <descent/core/memory.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

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
constexpr int kThreadBlocks = 256;      // per class, for blocks up to kSmall
constexpr int kThreadLargeBlocks = 32;  // per class, above
constexpr std::size_t kSmall = 64 * 1024, kAlignment = 64;

struct Block {
  Block* next;
};

std::atomic<std::uint64_t> g_system{0}, g_peak{0};
std::atomic<std::int64_t> g_live{0},
    g_held{0};  // g_held: what the system gave and did not get back

// Classes 64, 80, 96, 112, 128, 160, … bytes: a quarter of a power of two apart.
int class_of(std::size_t bytes) {
  if (bytes <= kAlignment) return 0;
  const int log2 = std::bit_width(bytes - 1) - 1;  // 2^log2 < bytes <= 2^(log2+1)
  const auto quarter = (bytes - 1) >> (log2 - 2) & 3;
  return 4 * (log2 - 6) + static_cast<int>(quarter) + 1;
}

std::size_t bytes_of(int c) {
  if (c == 0) return kAlignment;
  const int log2 = (c - 1) / 4 + 6, quarter = (c - 1) % 4;
  return (std::size_t{1} << log2) + (std::size_t{1} << (log2 - 2)) * (quarter + 1);
}

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

struct Cache {
  Block* head[kClasses] = {};
  int count[kClasses] = {};
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
    if (drift > 65536 || drift < -65536) publish();
  }
  ~Cache() {
    publish();
    Shared& s = shared();
    const std::lock_guard lock(s.mutex);
    for (int c = 0; c < kClasses; ++c)
      while (Block* block = head[c]) {
        unpoison(block, sizeof(Block));
        head[c] = block->next;
        block->next = s.head[c];
        s.head[c] = block;
        poison(block, bytes_of(c));
      }
  }
};

// A thread's cache may be needed after its destructor ran, by other thread-locals; then blocks
// come from and go to the system.
thread_local bool t_gone = false;
struct CacheHolder {
  Cache cache;
  ~CacheHolder() { t_gone = true; }
};
thread_local CacheHolder t_holder;

void* from_system(std::size_t bytes) {
  void* p = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (!p) throw std::bad_alloc();
  g_system.fetch_add(1, std::memory_order_relaxed);
  g_held.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  return p;
}

[[gnu::noinline]] void* refill(int c) {
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
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  block->next = s.head[c];
  s.head[c] = block;
  poison(block, bytes_of(c));
}

}  // namespace

namespace detail {

void* allocate(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 50)) throw std::bad_alloc();
  const int c = class_of(bytes);
  if (t_gone) {
    g_live += static_cast<std::int64_t>(bytes_of(c));
    return from_system(bytes_of(c));
  }
  Cache& cache = t_holder.cache;
  cache.count_live(static_cast<std::int64_t>(bytes_of(c)));
  Block* block = cache.head[c];
  if (!block) return refill(c);
  unpoison(block, bytes_of(c));
  cache.head[c] = block->next;
  --cache.count[c];
  return block;
}

void deallocate(void* p, std::size_t bytes) noexcept {
  if (!p) return;
  const int c = class_of(bytes);
  if (t_gone) {
    g_live -= static_cast<std::int64_t>(bytes_of(c));
    g_held -= static_cast<std::int64_t>(bytes_of(c));
    return std::free(p);
  }
  Cache& cache = t_holder.cache;
  const std::size_t size = bytes_of(c);
  cache.count_live(-static_cast<std::int64_t>(size));
  auto* block = static_cast<Block*>(p);
  if (cache.count[c] >= (size <= kSmall ? kThreadBlocks : kThreadLargeBlocks))
    return give_to_shared(block, c);
  block->next = cache.head[c];
  cache.head[c] = block;
  ++cache.count[c];
  poison(block, size);
}

}  // namespace detail

MemoryStats memory_stats() noexcept {
  if (!t_gone) t_holder.cache.publish();
  const auto live = static_cast<std::uint64_t>(g_live.load());
  return {g_system.load(), live, g_peak.load(), static_cast<std::uint64_t>(g_held.load()) - live};
}

void reset_peak_memory() noexcept {
  if (!t_gone) t_holder.cache.publish();
  g_peak = static_cast<std::uint64_t>(g_live.load());
}

void release_cached_memory() noexcept {
  if (!t_gone)
    for (int c = 0; c < kClasses; ++c) {
      free_list(t_holder.cache.head[c], bytes_of(c));
      t_holder.cache.head[c] = nullptr;
      t_holder.cache.count[c] = 0;
    }
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  for (int c = 0; c < kClasses; ++c) {
    free_list(s.head[c], bytes_of(c));
    s.head[c] = nullptr;
  }
}

}  // namespace descent
