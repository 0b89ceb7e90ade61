// Counts the program's allocations, and lets one of them fail: operator new's and the free lists'.
#pragma once

#include <cstdint>

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

/// Tells how much memory was in use at most since its construction, beyond what was in use then:
/// the peak of operator new and the peak of the free lists, together.
class PeakMemory {
 public:
  PeakMemory();
  std::int64_t bytes() const;

 private:
  std::int64_t start_;
};

/// While it lives, the calling thread's n-th request for memory throws std::bad_alloc; n = 1 is the
/// next one. Requests are the calls of operator new and every block of the free lists, which are
/// kept empty meanwhile. The requests before and after the n-th succeed.
///
///   for (std::int64_t n = 1;; ++n) {  // each request in its turn
///     const testing::FailAllocation fail(n);
///     try { step(); } catch (const std::bad_alloc&) {}
///     if (!fail.failed()) break;  // the step needs fewer than n
///   }
class FailAllocation {
 public:
  explicit FailAllocation(std::int64_t n);
  FailAllocation(const FailAllocation&) = delete;
  FailAllocation& operator=(const FailAllocation&) = delete;
  ~FailAllocation();
  /// True if the n-th request has come.
  bool failed() const;
};

}  // namespace descent::testing
