// TapePool: the memory of a recorded step (see tape.h). Internal.
//
// While a step is recorded, every new tensor takes a block from the pool. When the tensor dies, the
// pool may give its block to another tensor. A replay uses the same blocks.
#pragma once

#include <descent/core/ref.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace descent::detail {

/// The blocks of one recorded step. The tape and every tensor that lies in a block share the pool.
/// If the caller keeps a tensor, the tensor stays valid after the tape is gone.
struct TapePool : RefCounted {
  struct Block {
    void* data;
    std::size_t size;
    std::uint64_t freed;  // the clock when the block was given back
    bool free;
  };
  std::vector<Block> blocks;
  std::uint64_t clock = 0;
  std::size_t bytes = 0;  // of all blocks
  bool open = true;       // the recording goes on: blocks that are given back are used again

  /// A block of at least `size` bytes; null for 0.
  void* take(std::size_t size);
  /// Takes a block back. After the recording the block stays reserved: replays still write to it.
  void give_back(void* data) noexcept;
  static void destroy(TapePool* pool) noexcept;
};

}  // namespace descent::detail
