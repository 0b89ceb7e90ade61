// Keeps OpenBLAS, which Descent calls from its own threads, to one thread.
#pragma once

namespace descent::kernel {

/// While one lives, OpenBLAS uses one thread; afterwards as many as the host had set.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
};

}  // namespace descent::kernel
