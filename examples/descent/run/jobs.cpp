#include "run/jobs.h"

#include "run/console.h"

#include <descent/core/parallel.h>
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace app {

void use_threads(int threads) {
  if (threads > 0) descent::set_num_threads(threads);
  descent::num_threads();
}

void run_jobs(std::size_t n, const std::function<void(std::size_t)>& job,
              const std::function<std::string(std::size_t)>& note,
              const std::function<bool()>& stopped) {
  const int before = descent::num_threads();
  descent::set_num_threads(1);
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  std::size_t failed = n;
  {
    Progress progress(n);
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < std::min(n, static_cast<std::size_t>(before)); ++w)
      threads.emplace_back([&] {
        for (std::size_t i; (i = next++) < n && !stopped();) {
          try {
            job(i);
          } catch (...) {
            const std::lock_guard lock(mutex);
            if (i < failed) {
              failed = i;
              failure = std::current_exception();
            }
            next = n;
          }
          const std::lock_guard lock(mutex);
          progress.update(++done, note(i));
        }
      });
    for (std::thread& t : threads) t.join();
  }
  descent::set_num_threads(before);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace app
