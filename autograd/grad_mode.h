// The guards that decide what operators record: NoGradGuard, EnableGradGuard, AnomalyGuard.
// They are documented, with every other mode of a thread, in <descent/core/thread_state.h>.
#pragma once

#include <descent/core/thread_state.h>
