#include <descent/core/error.h>
#include <descent/core/log.h>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <cstdlib>
#include <memory>

namespace descent::logging {
namespace {

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    default:
      return spdlog::level::off;
  }
}

spdlog::level::level_enum level_named(std::string_view name) {
  constexpr std::string_view names[] = {"debug", "info", "warning", "error", "off"};
  for (int i = 0; i < 5; ++i)
    if (name == names[i]) return native(static_cast<Level>(i));
  fail<ValueError>("DESCENT_LOG", "got '", name, "', expected debug, info, warning, error or off");
}

// Our own logger, not in spdlog's registry: the host program's loggers are left alone.
spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger l("descent", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    const char* wanted = std::getenv("DESCENT_LOG");
    l.set_level(wanted ? level_named(wanted) : spdlog::level::warn);
    l.set_pattern("[%n %l] %v");
    return l;
  }();
  return instance;
}

}  // namespace

void set_level(Level level) { logger().set_level(native(level)); }
void debug(std::string_view message) { logger().debug("{}", message); }
void info(std::string_view message) { logger().info("{}", message); }
void warning(std::string_view message) { logger().warn("{}", message); }
void error(std::string_view message) { logger().error("{}", message); }

}  // namespace descent::logging
