// Lets each request for memory fail in its turn.
#pragma once

#include "tests/support/allocations.h"

#include <descent/core/parallel.h>

#include <gtest/gtest.h>
#include <new>

namespace descent::testing {

/// Calls f once for each of its requests for memory, and lets this request fail. Calls same() after
/// each failure. The last call of f succeeds. Beyond `most` requests, skips more and more of them.
template <class F, class Same>
void fail_each_allocation(F f, Same same, std::int64_t most = 1 << 20) {
  parallel_for(2, 1, [](auto, auto) {});  // starts the threads, with memory
  for (std::int64_t n = 1; n < 1 << 20; n += 1 + n / most) {
    bool failed = false;
    {
      const FailAllocation fail(n);
      try {
        f();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      if (!failed) {
        EXPECT_FALSE(fail.failed()) << "request " << n << " failed, and nobody was told";
        return;
      }
    }
    same();
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "request " << n;
      return;
    }
  }
  FAIL() << "no end";
}

}  // namespace descent::testing
