#include "run/interrupt.h"

#include <unistd.h>
#include <atomic>
#include <csignal>

namespace app {
namespace {

std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void note_signal(int) {
  if (signalled.exchange(true)) ::_exit(130);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

bool interrupted() { return signalled; }

}  // namespace app
