// Lets tests run with more threads than the machine has cores. By default TBB uses at most one
// thread for each core.
#pragma once

#include <descent/core/parallel.h>
#include <tbb/global_control.h>

namespace descent::testing {

/// While a WithThreads object lives, Descent uses n threads, even if the machine has fewer cores.
/// The destructor puts back the earlier number.
class WithThreads {
 public:
  explicit WithThreads(int n)
      : allowed_(tbb::global_control::max_allowed_parallelism,
                 static_cast<std::size_t>(n < 2 ? 2 : n)),
        before_(num_threads()) {
    set_num_threads(n);
  }
  ~WithThreads() { set_num_threads(before_); }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  tbb::global_control allowed_;
  int before_;
};

}  // namespace descent::testing
