#include "tests/support/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <descent/core/memory.h>

namespace {
std::atomic<long> g_news{0};

void* counted(std::size_t bytes) {
  ++g_news;
  if (void* p = std::malloc(bytes > 0 ? bytes : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace descent::testing {

namespace {
// The free lists take memory from the system without operator new, so their calls are counted apart
// and added.
long all() { return g_news + static_cast<long>(memory_stats().system_allocations); }
}  // namespace

CountAllocations::CountAllocations() : start_(all()) {}
long CountAllocations::so_far() const { return all() - start_; }

}  // namespace descent::testing
