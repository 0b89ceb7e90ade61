#include <descent/core/kernels/blas.h>

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
