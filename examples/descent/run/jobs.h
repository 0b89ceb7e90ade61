// Threads: how many threads the program uses, and how independent jobs run side by side.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace app {

/// Sets how many threads the program uses; 0 leaves the number to the library. Throws if the
/// environment variable DESCENT_NUM_THREADS is wrong, so that a mistake shows before the work
/// begins.
void use_threads(int threads);

/// Runs job(0) … job(n − 1) side by side, on as many threads as the library may use. Each job has
/// one thread. Training runs are small: two runs side by side on one thread each end sooner than
/// two runs in turn on two threads. Results do not depend on the order in which jobs run. note(i)
/// is the text beside the progress bar after job i. If stopped() returns true, no further job
/// starts. If a job throws, no further job starts, and run_jobs() throws the same exception; if
/// several throw, that of the lowest i, whichever came first.
void run_jobs(
    std::size_t n, const std::function<void(std::size_t)>& job,
    const std::function<std::string(std::size_t)>& note,
    const std::function<bool()>& stopped = [] { return false; });

}  // namespace app
