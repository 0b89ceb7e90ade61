#include <descent/core/error.h>
#include <descent/core/floating_mode.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <thread>

// TBB is not compiled for the thread sanitizer, which would take its hand-overs for races. Under
// this sanitizer each call starts threads of its own. The pieces are the same.
#if defined(__SANITIZE_THREAD__)
#define DESCENT_OWN_THREADS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DESCENT_OWN_THREADS
#endif
#endif
#ifdef DESCENT_OWN_THREADS
#include <exception>
#include <vector>
#else
#include <pthread.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

namespace descent {
namespace {

int threads_at_start() {
  if (const char* text = std::getenv("DESCENT_NUM_THREADS")) {
    const std::string_view s = text;
    int n = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (error != std::errc() || end != s.data() + s.size() || n < 1)
      fail<ValueError>("DESCENT_NUM_THREADS", "got '", s,
                       "', expected a whole number of at least 1");
    return n;
  }
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 0 ? static_cast<int>(cores) : 1;
}

std::atomic<int>& threads() {
  static std::atomic<int> n{threads_at_start()};
  return n;
}

// run() calls piece(i) for each i in [0, pieces), on `limit` threads at most.
#ifdef DESCENT_OWN_THREADS

template <class Piece>
void run(std::int64_t pieces, int limit, Share, const Piece& piece) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    for (std::int64_t i; (i = next++) < pieces;) try {
        piece(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        error = std::current_exception();
      }
  };
  std::vector<std::thread> others;
  for (std::int64_t i = 1; i < std::min<std::int64_t>(limit, pieces); ++i)
    others.emplace_back(work);
  work();
  for (std::thread& t : others) t.join();
  if (error) std::rethrow_exception(error);
}

#else

// If this is true, everything runs on the calling thread: TBB's threads stayed behind at a fork, or
// TBB could not start.
std::atomic<bool> g_without_threads{false};

// Starts TBB. If memory is lacking, throws std::bad_alloc, and sets g_without_threads: a further
// call of TBB would wait for ever.
bool start_threads() {
  if (g_without_threads) return false;  // another thread has tried, in vain
  try {
    tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
    if (::pthread_atfork(nullptr, nullptr, [] { g_without_threads = true; }) != 0)
      throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
    g_without_threads = true;
    throw;
  }
  return true;
}

bool have_threads() {
  if (g_without_threads) return false;
  static const bool started = start_threads();
  return started && !g_without_threads;
}

std::shared_ptr<tbb::task_arena> arena_of(int n) {
  static std::mutex mutex;
  static std::shared_ptr<tbb::task_arena> arena;
  static int size = 0;
  const std::lock_guard lock(mutex);
  if (size != n) {
    arena = std::make_shared<tbb::task_arena>(n);
    size = n;
  }
  return arena;
}

template <class Piece>
void run(std::int64_t pieces, int limit, Share share, const Piece& piece) {
  if (limit == 1 || !have_threads()) {
    for (std::int64_t i = 0; i < pieces; ++i) piece(i);
    return;
  }
  // The arena is held by value: another thread may change the number of threads meanwhile. The
  // arena has no more threads than TBB allows: with more threads TBB would print a warning.
  const auto allowed =
      tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  const auto arena = arena_of(std::min(limit, static_cast<int>(allowed)));
  // isolate() makes a thread that waits here take no other tasks. Such a task would run with the
  // modes and the generator that this thread's caller has set.
  arena->execute([&] {
    tbb::this_task_arena::isolate([&] {
      if (share == Share::in_runs)
        tbb::parallel_for(std::int64_t{0}, pieces, piece, tbb::static_partitioner());
      else
        tbb::parallel_for(std::int64_t{0}, pieces, piece);
    });
  });
}

#endif

}  // namespace

void set_num_threads(int n) {
  if (n < 1) fail<ValueError>("set_num_threads", "got ", n, ", expected at least 1");
  threads() = n;
}

int num_threads() { return threads(); }

void detail::parallel_ranges(std::int64_t n, std::int64_t grain, Share share, RangeBody body,
                             void* context) {
  if (grain < 1)
    fail<ValueError>("parallel_for", "got pieces of ", grain, " elements, expected at least 1");
  const std::int64_t pieces = n / grain + (n % grain != 0);
  const unsigned mode = floating_mode();
  run(pieces, num_threads(), share, [=](std::int64_t i) {
    const FloatingMode as_caller(mode);
    body(context, i * grain, i + 1 == pieces ? n : (i + 1) * grain);
  });
}

}  // namespace descent
