// Text for people: numbers, times, counts, lists, and the name that was probably meant.
#pragma once

#include <descent/core/text.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

/// Prints one number, in every locale alike. A pattern has "%.", one digit, the letter f or g as
/// for printf, and text before and after: format(0.5, "%.2f s") is "0.50 s".
std::string format(double x, std::string_view pattern);

/// A time for people: "740 ms", "12.3 s", "4 min 05 s".
std::string duration(double seconds);

/// A number with its noun: "1 seed", "2 seeds".
std::string counted(std::int64_t n, const std::string& noun);

/// The parts with a separator between them: joined({1, 2}) is "1, 2".
template <class Parts>
std::string joined(const Parts& parts, const char* separator = ", ") {
  std::string s;
  bool first = true;
  for (const auto& part : parts) {
    s += descent::to_text(first ? "" : separator, part);
    first = false;
  }
  return s;
}

/// JSON as text. Names may come from a file in any encoding: bytes that are not UTF-8 are replaced.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

/// The end of an error text about an unknown name: ". Hint: did you mean 'relu'?".
/// Returns "" if none of the known names is near.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

}  // namespace app
