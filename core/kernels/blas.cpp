#include <descent/core/kernels/blas.h>

#include <pthread.h>
#include <mutex>

// Declared here, because the header of another BLAS would lack these functions.
extern "C" {
void openblas_set_num_threads(int);
int openblas_get_num_threads(void);
}

namespace descent::kernel {
namespace {

std::mutex g_mutex;
int g_users = 0, g_before = 1;

}  // namespace

SingleThreadedBlas::SingleThreadedBlas() {
  // A thread that forks holds the lock. The users of other threads do not exist in the child.
  [[maybe_unused]] static const int registered =
      ::pthread_atfork([] { g_mutex.lock(); }, [] { g_mutex.unlock(); },
                       [] {
                         g_users = 0;
                         g_mutex.unlock();
                       });
  const std::lock_guard lock(g_mutex);
  if (g_users++ > 0) return;
  g_before = openblas_get_num_threads();
  if (g_before != 1) openblas_set_num_threads(1);
}

SingleThreadedBlas::~SingleThreadedBlas() {
  const std::lock_guard lock(g_mutex);
  if (--g_users == 0 && g_before != 1) openblas_set_num_threads(g_before);
}

}  // namespace descent::kernel
