// The one owner of threads. A range is cut into pieces of `grain`, whatever the number of threads,
// and every piece is worked by one thread: results are bit-identical for 1, 2 or 7 threads as long
// as pieces are independent or combined in their order.
//
// The number of threads is ours alone; the host program's TBB and BLAS settings stay as they are.
#pragma once

#include <cstdint>
#include <type_traits>

namespace descent {

/// Threads Descent may use, the caller's included; at first DESCENT_NUM_THREADS, else the number
/// of cores. Throws ValueError for n < 1.
void set_num_threads(int n);
int num_threads();

/// How threads share the pieces of a range: a thread that is done takes from another, or each has
/// one run of them from the start, which suits pieces alike and short, and keeps each thread's
/// share in its cache from call to call.
enum class Share { as_they_finish, in_runs };

namespace detail {
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t n, std::int64_t grain, Share share, RangeBody body,
                     void* context);
}  // namespace detail

/// Calls f(begin, end) for the pieces [0, grain), [grain, 2·grain), … of [0, n), perhaps at the
/// same time; on the calling thread when there is one piece. The first exception is rethrown.
/// Thread-locals must not be held across the call.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f, Share share = Share::as_they_finish) {
  if (n <= grain) {
    if (n > 0) f(std::int64_t{0}, n);
    return;
  }
  detail::parallel_ranges(
      n, grain, share,
      [](void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<std::remove_reference_t<F>*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace descent
