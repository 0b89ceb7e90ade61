// Messages to whoever runs the program. Quiet unless something is worth knowing.
#pragma once

#include <string_view>

namespace descent::logging {

enum class Level { debug, info, warning, error, off };

/// Messages below `level` are dropped; at first `warning`, or DESCENT_LOG (debug, info, …).
void set_level(Level level);
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace descent::logging
