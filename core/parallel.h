// The one owner of threads.
//
// A range is cut into pieces of `grain` elements, and one thread computes a piece. The cut does not
// depend on the number of threads. If the pieces are independent, or are combined in their order,
// the results therefore have the same bits for 1, 2 or 7 threads.
//
// In a process that was forked after Descent had used threads, everything runs on the calling
// thread, with the same bits. If memory is lacking when the threads start, the first call throws
// std::bad_alloc, and all later calls run on the calling thread.
//
// The number of threads concerns Descent alone. The host program's settings of TBB and BLAS stay.
#pragma once

#include <cstdint>
#include <type_traits>

namespace descent {

/// Sets the number of threads that Descent may use, the caller's included. At first this number is
/// the value of the environment variable DESCENT_NUM_THREADS, or else the number of cores. Throws
/// ValueError for n < 1.
void set_num_threads(int n);
/// The number of threads that Descent may use. Throws ValueError if DESCENT_NUM_THREADS is no whole
/// number of at least 1.
int num_threads();

/// How threads share the pieces of a range.
enum class Share {
  /// A thread that is done takes pieces from another one.
  as_they_finish,
  /// Each thread gets its own run of neighbouring pieces at the start. It suits short pieces of
  /// equal length: from call to call, each thread finds its pieces in its cache.
  in_runs
};

namespace detail {
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t n, std::int64_t grain, Share share, RangeBody body,
                     void* context);
}  // namespace detail

/// Calls f(begin, end) for the pieces [0, grain), [grain, 2·grain), … of [0, n), perhaps at the
/// same time. A single piece runs on the calling thread. If calls of f throw, parallel_for() throws
/// the exception of one such call. Tasks start with the modes of their own thread; see
/// thread_state.h.
///
///   parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) {
///     for (std::int64_t i = begin; i < end; ++i) y[i] = 2 * x[i];
///   });
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
