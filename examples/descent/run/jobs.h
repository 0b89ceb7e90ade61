// Independent pieces of work side by side on the cores, each deterministic by itself.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace app {

/// Sets how many threads the program uses; 0 leaves it to the library. Throws if the environment
/// variable DESCENT_NUM_THREADS is wrong, so that this shows at once and not in the middle.
void use_threads(int threads);

/// Runs job(0) … job(n−1) on as many threads as the library may use, one thread each: a run is
/// small, and two beside each other beat one on two threads. Shows progress with note(i). Stops
/// early, between jobs, once `stopped` says so. An exception of a job ends all and is thrown here.
void run_jobs(
    std::size_t n, const std::function<void(std::size_t)>& job,
    const std::function<std::string(std::size_t)>& note,
    const std::function<bool()>& stopped = [] { return false; });

}  // namespace app
