// Keeps OpenBLAS, which Descent calls from its own threads, to one thread.
#pragma once

namespace descent::kernel {

/// While a SingleThreadedBlas lives, OpenBLAS uses one thread in the whole program. When the last
/// such object dies, OpenBLAS gets back the number of threads that it had before the first.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
};

}  // namespace descent::kernel
