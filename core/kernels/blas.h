// Keeps OpenBLAS, which Descent calls from its own threads, to one thread.
#pragma once

namespace descent::kernel {

/// While one lives, OpenBLAS uses one thread in the whole program. When the last one dies, OpenBLAS
/// has the number of threads that the first one found.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
};

}  // namespace descent::kernel
