// Counts the program's allocations: operator new's and the free lists'.
#pragma once

namespace descent::testing {

/// Calls of operator new, and of the system allocator by the free lists, since it was made, on all
/// threads.
class CountAllocations {
 public:
  CountAllocations();
  long so_far() const;

 private:
  long start_;
};

}  // namespace descent::testing
