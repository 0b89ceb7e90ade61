// Text: joining values to a message, and finding the name that was meant.
#pragma once

#include <descent/core/dtype.h>
#include <descent/core/shape.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>

namespace descent {

namespace detail {
inline void append(std::string& s, std::string_view part) { s += part; }
inline void append(std::string& s, const char* part) { s += part; }
inline void append(std::string& s, const std::string& part) { s += part; }
inline void append(std::string& s, const Shape& shape) { s += to_string(shape); }
inline void append(std::string& s, DType t) { s += to_string(t); }
inline void append(std::string& s, char c) { s += c; }
inline void append(std::string& s, bool b) { s += b ? "true" : "false"; }
inline void append(std::string& s, int n) { s += std::to_string(n); }
inline void append(std::string& s, long n) { s += std::to_string(n); }
inline void append(std::string& s, long long n) { s += std::to_string(n); }
inline void append(std::string& s, unsigned n) { s += std::to_string(n); }
inline void append(std::string& s, unsigned long n) { s += std::to_string(n); }
/// The shortest text that reads back as the same number: 0.001, 1e-08, nan.
void append(std::string& s, double x);
}  // namespace detail

/// Writes its arguments one after the other: text, numbers, shapes and element types. A double is
/// written with as few digits as possible, so that reading gives the same number.
///
///   to_text("got ", Shape{2, 3}, ", rate ", 1e-3)  // "got (2, 3), rate 0.001"
template <class... Parts>
std::string to_text(const Parts&... parts) {
  std::string s;
  (detail::append(s, parts), ...);
  return s;
}

/// How many columns a text takes on a terminal. Every code point counts as one column.
std::size_t columns(std::string_view text);
/// The text with spaces after it, up to `width` columns: padded("η", 3) is "η  ".
std::string padded(std::string_view text, std::size_t width);

/// The number that the whole text is, in any locale: parse_number("-1e-3"), also with a plus sign.
/// Returns nothing for other text, and for a number that is no double.
std::optional<double> parse_number(std::string_view text);
/// A text from outside, as a message can show it. Bytes that are not UTF-8 and control characters
/// become '?'. If the text has more than `first` + `last` bytes, "…" stands for what is between the
/// first and the last of these bytes.
std::string brief(std::string_view text, std::size_t first = 100, std::size_t last = 0);

/// The name of a class, without namespaces and template arguments.
std::string class_name(const std::type_info& type);

namespace detail {
std::size_t edit_distance(std::string_view a, std::string_view b);
}

/// The candidate closest to `name` by edit distance, for "did you mean". Returns "" if no candidate
/// is near. If two candidates are equally near, a candidate as long as `name` wins.
///
///   nearest_match("adm", std::vector<std::string>{"sgd", "adam"})  // "adam"
template <class Names>
std::string nearest_match(std::string_view name, const Names& candidates) {
  std::string best;
  std::size_t least = name.size() / 2 + 1;
  for (const auto& candidate : candidates) {
    // The distance is at least the difference of the lengths.
    if (std::max(candidate.size(), name.size()) - std::min(candidate.size(), name.size()) > least)
      continue;
    const std::size_t distance = detail::edit_distance(name, candidate);
    const bool tie_won =
        distance == least && candidate.size() == name.size() && best.size() != name.size();
    if (distance < least || (tie_won && !best.empty())) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/// What an error says after a name that nobody knows: the names that there are, and the one that
/// was meant if it is near. Without any names it says "expected none".
///
///   expected_one_of("adm", {"adam", "sgd"})  // "expected one of adam, sgd. Hint: did you mean
///   'adam'?"
template <class Names>
std::string expected_one_of(std::string_view name, const Names& names) {
  std::string all, nearest = nearest_match(name, names);
  for (const auto& known : names) all += to_text(all.empty() ? "" : ", ", known);
  if (all.empty()) return "expected none";
  return to_text("expected one of ", all,
                 nearest.empty() ? "" : to_text(". Hint: did you mean '", nearest, "'?"));
}

}  // namespace descent
