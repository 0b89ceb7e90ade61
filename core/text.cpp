#include <descent/core/from_chars.h>
#include <descent/core/text.h>

#include <cxxabi.h>
#include <cstdlib>

#include <algorithm>
#include <charconv>
#include <vector>

namespace descent {

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(width - std::min(width, columns(text)), ' ');
}

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double x = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = detail::from_chars(text.data(), last, x);
  return error == std::errc() && end == last ? std::optional(x) : std::nullopt;
}

namespace {

/// How many bytes the character at the beginning of a text has; 0 if a message cannot show it.
std::size_t shown_bytes(std::string_view s) {
  const auto byte = [&](std::size_t i) {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80)
    return (first >= ' ' && first != 0x7F) || first == '\n' || first == '\t' ? 1 : 0;
  // The second byte tells apart what is too long, half of a pair, or beyond the last code point.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (first < 0xC2 || first > 0xF4 || byte(1) < low || byte(1) > high) return 0;
  const std::size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  for (std::size_t i = 2; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return n;
}

void append_shown(std::string& s, std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = shown_bytes(text);
    s += n > 0 ? text.substr(0, n) : "?";
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
}

}  // namespace

std::string brief(std::string_view text, std::size_t first, std::size_t last) {
  std::string s;
  if (text.size() > first + last) {
    const auto inside = [&](std::size_t i) { return (text[i] & 0xC0) == 0x80; };  // a character
    for (int i = 0; i < 3 && first > 0 && inside(first); ++i) --first;
    for (int i = 0; i < 3 && last > 0 && inside(text.size() - last); ++i) --last;
    append_shown(s, text.substr(0, first));
    s += "…";
    text.remove_prefix(text.size() - last);
  }
  append_shown(s, text);
  return s;
}

namespace detail {

void append(std::string& s, double x) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
  s.append(buffer, end);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {  // Wagner–Fischer, one row
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace detail
std::string class_name(const std::type_info& type) {
  int status = 0;
  char* readable = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? readable : type.name();
  std::free(readable);
  name.resize(std::min(name.size(), name.find('<')));
  const std::size_t colon = name.rfind(':');
  return colon == std::string::npos ? name : name.substr(colon + 1);
}

}  // namespace descent
