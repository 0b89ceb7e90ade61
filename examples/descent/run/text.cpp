#include "run/text.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace app {

using descent::to_text;

std::string format(double x, const char* pattern) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, x);
  return buffer;
}

std::string duration(double seconds) {
  if (seconds < 1) return format(seconds * 1000, "%.0f ms");
  if (seconds < 60) return format(seconds, "%.1f s");
  const long whole = std::lround(seconds);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%ld min %02ld s", whole / 60, whole % 60);
  return buffer;
}

std::string counted(std::int64_t n, const std::string& noun) {
  return to_text(n, " ", noun, n == 1 ? "" : "s");
}

std::optional<double> number_in(const std::string& text) {
  char* end = nullptr;
  const double x = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return x;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = descent::nearest_match(name, known);
  return near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?");
}

}  // namespace app
