// Counts the program's allocations: operator new's and the free lists'.
#pragma once

namespace descent::testing {

/// Counts, from its construction on and on all threads, the calls of operator new and the calls of
/// the system allocator by the free lists.
class CountAllocations {
 public:
  CountAllocations();
  long so_far() const;

 private:
  long start_;
};

}  // namespace descent::testing
