#include "tests/support/allocations.h"

#include <descent/core/free_lists.h>
#include <descent/core/memory.h>

#include <malloc.h>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <new>

using descent::detail::t_lists;

namespace {
std::atomic<long> g_news{0};
std::atomic<std::int64_t> g_live{0}, g_peak{0};  // bytes of operator new

void* counted(std::size_t bytes, std::size_t alignment = 0) {
  ++g_news;
  if (t_lists.fail_in > 0 && --t_lists.fail_in == 0) throw std::bad_alloc();
  bytes = std::max<std::size_t>(bytes, 1);
  void* p = alignment == 0
                ? std::malloc(bytes)
                : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  const std::int64_t live = g_live += static_cast<std::int64_t>(::malloc_usable_size(p));
  for (std::int64_t peak = g_peak; live > peak && !g_peak.compare_exchange_weak(peak, live);) {
  }
  return p;
}
void uncounted(void* p) noexcept {
  if (p) g_live -= static_cast<std::int64_t>(::malloc_usable_size(p));
  std::free(p);
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return counted(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete[](void* p) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::align_val_t) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { uncounted(p); }

namespace descent::testing {

namespace {
// The free lists take memory from the system without operator new, so their calls are counted apart
// and added.
long all() { return g_news + static_cast<long>(memory_stats().system_allocations); }
}  // namespace

CountAllocations::CountAllocations() : start_(all()) {}
long CountAllocations::so_far() const { return all() - start_; }

PeakMemory::PeakMemory() : start_(g_live + static_cast<std::int64_t>(memory_stats().live_bytes)) {
  g_peak = g_live.load();
  reset_peak_memory();
}
std::int64_t PeakMemory::bytes() const {
  return g_peak + static_cast<std::int64_t>(memory_stats().peak_bytes) - start_;
}

FailAllocation::FailAllocation(std::int64_t n) {
  detail::deallocate(detail::allocate(1), 1);  // now the thread has its lists
  release_cached_memory();
  std::fill(std::begin(t_lists.room), std::end(t_lists.room), 0);  // so that no block is kept
  t_lists.fail_in = n;
}
FailAllocation::~FailAllocation() {
  t_lists.fail_in = 0;
  release_cached_memory();  // gives the lists their room again
}
bool FailAllocation::failed() const { return t_lists.fail_in <= 0; }

}  // namespace descent::testing
