// Ctrl-C: the program finishes what must not be left by half, and ends.
#pragma once

namespace app {

/// From now on, SIGINT (Ctrl-C) and SIGTERM do not end the program at once: interrupted() becomes
/// true. A second signal ends the program at once, with exit code 130.
void catch_interrupts();

/// True after a signal.
bool interrupted();

/// What a run throws to end after a signal.
struct Interrupted {};

}  // namespace app
