#include <descent/core/error.h>
#include <descent/core/log.h>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <cstdlib>
#include <memory>
#include <mutex>

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

namespace {

using Sink = std::function<void(Level, std::string_view)>;
std::mutex g_mutex;
std::shared_ptr<Sink> g_sink;  // null for our own logger

void write(Level level, std::string_view message) {
  if (!logger().should_log(native(level))) return;
  std::shared_ptr<Sink> sink;
  {
    const std::lock_guard lock(g_mutex);
    sink = g_sink;
  }
  if (sink)
    (*sink)(level, message);
  else
    logger().log(native(level), "{}", message);
}

}  // namespace

void set_sink(std::function<void(Level, std::string_view)> sink) {
  auto held = sink ? std::make_shared<Sink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(g_mutex);
  g_sink = std::move(held);
}

void set_level(Level level) { logger().set_level(native(level)); }
void debug(std::string_view message) { write(Level::debug, message); }
void info(std::string_view message) { write(Level::info, message); }
void warning(std::string_view message) { write(Level::warning, message); }
void error(std::string_view message) { write(Level::error, message); }

}  // namespace descent::logging
