#include "run/text.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace app {

using descent::to_text;

std::string format(double x, std::string_view pattern) {
  char buffer[400];  // the largest double has 309 digits before the point
  const std::size_t at = pattern.find("%.");
  const char* const end =
      std::to_chars(buffer, buffer + sizeof buffer, x,
                    pattern[at + 3] == 'f' ? std::chars_format::fixed : std::chars_format::general,
                    pattern[at + 2] - '0')
          .ptr;
  return to_text(pattern.substr(0, at),
                 std::string_view(buffer, static_cast<std::size_t>(end - buffer)),
                 pattern.substr(at + 4));
}

std::string duration(double seconds) {
  if (seconds < 1) return format(seconds * 1000, "%.0f ms");
  if (seconds < 60) return format(seconds, "%.1f s");
  const long whole = std::lround(seconds);
  return to_text(whole / 60, " min ", whole % 60 < 10 ? "0" : "", whole % 60, " s");
}

std::string counted(std::int64_t n, const std::string& noun) {
  return to_text(n, " ", noun, n == 1 ? "" : "s");
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = descent::nearest_match(name, known);
  return near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?");
}

}  // namespace app
