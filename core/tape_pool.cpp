#include <descent/core/memory.h>
#include <descent/core/tape_pool.h>

namespace descent::detail {

void* TapePool::take(std::size_t size) {
  if (size == 0) return this;  // no block; not null, because an empty view may have an offset
  // Of all free blocks that are large enough, takes the block that was given back last: it is still
  // in the cache. Leaves out blocks that are more than about twice as large as needed.
  Block* best = nullptr;
  for (Block& b : blocks)
    if (b.free && b.size >= size && b.size <= 2 * size + 64 && (!best || b.freed > best->freed))
      best = &b;
  if (!best) {
    if (blocks.size() == blocks.capacity()) blocks.reserve(2 * blocks.size() + 8);
    blocks.push_back({allocate(size), size, 0, false});
    bytes += size;
    best = &blocks.back();
  }
  best->free = false;
  return best->data;
}

void TapePool::give_back(void* data) noexcept {
  if (!open) return;
  for (Block& b : blocks)
    if (b.data == data) {
      b.free = true;
      b.freed = ++clock;
    }
}

void TapePool::destroy(TapePool* pool) noexcept {
  for (const Block& b : pool->blocks) deallocate(b.data, b.size);
  delete pool;
}

}  // namespace descent::detail
