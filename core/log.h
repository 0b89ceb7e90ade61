// Messages to whoever runs the program, on the standard error stream. If nothing remarkable
// happens, a run prints no messages.
#pragma once

#include <string_view>

namespace descent::logging {

/// How much a message matters, rising.
enum class Level { debug, info, warning, error, off };

/// Drops messages below `level` from now on. At first the level is the level that the environment
/// variable DESCENT_LOG names, or else `warning`.
void set_level(Level level);

/// @name Messages of each level
/// @{
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);
/// @}

}  // namespace descent::logging
