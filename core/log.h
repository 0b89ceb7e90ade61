// Messages to whoever runs the program, on the standard error stream. If nothing remarkable
// happens, a run prints no messages.
#pragma once

#include <functional>
#include <string_view>

namespace descent::logging {

/// How much a message matters, rising.
enum class Level { debug, info, warning, error, off };

/// Drops messages below `level` from now on. At first the level is the level that the environment
/// variable DESCENT_LOG names, or else `warning`.
void set_level(Level level);

/// Gives messages to `sink` from now on, in place of the standard error stream; an empty function
/// puts the stream back. Messages below the level are dropped before. The sink may be called from
/// several threads. With a spdlog logger of one's own:
///
///   logging::set_sink([log = spdlog::default_logger()](logging::Level, std::string_view text) {
///     log->warn("descent: {}", text);
///   });
void set_sink(std::function<void(Level, std::string_view)> sink);

/// @name Messages of each level
/// @{
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);
/// @}

}  // namespace descent::logging
