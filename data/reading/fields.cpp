#include <descent/core/from_chars.h>
#include <descent/data/reading/fields.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace descent::data::detail {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_gap(std::string_view s) {
  if (s.empty() || s == "?") return true;
  if (s.size() > 4) return false;
  std::string small;
  for (const char c : s) small += lower(c);
  return small == "na" || small == "n/a" || small == "nan" || small == "null";
}

/// Skips digits and whatever of `others` stands among them.
std::string_view without_digits(std::string_view s, std::string_view others) {
  const std::size_t end = s.find_first_not_of(std::string("0123456789").append(others));
  return s.substr(std::min(end, s.size()));
}

/// True for 2024-03-01, 1.3.24, 3/1/2024, also with a time behind it.
bool is_date(std::string_view s) {
  for (const char mark : {'-', '/', '.'}) {
    std::size_t at = 0, parts = 0;
    while (parts < 3 && at < s.size() && is_digit(s[at])) {
      const std::size_t begin = at;
      while (at < s.size() && is_digit(s[at])) ++at;
      if (at - begin > 4) break;
      if (++parts < 3 && (at == s.size() || s[at++] != mark)) break;
    }
    if (parts == 3 && (at == s.size() || s[at] == ' ' || s[at] == 'T')) return true;
  }
  const bool time = s.size() >= 4 && is_digit(s[0]) && s.find(':') <= 2;
  return time && without_digits(s, ":.").empty();
}

/// True for 1,234,567 and 1.234,5 and 1 234: groups of three digits behind a mark.
bool has_thousands(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  std::size_t at = 0;
  while (at < s.size() && is_digit(s[at])) ++at;
  if (at == 0 || at > 3 || at == s.size()) return false;
  const char mark = s[at];
  if (mark != ',' && mark != '.' && mark != '\'' && mark != ' ' && mark != '_') return false;
  while (at < s.size() && s[at] == mark) {
    std::size_t digits = 0;
    for (++at; at < s.size() && is_digit(s[at]); ++at) ++digits;
    if (digits != 3) return false;
  }
  const std::string_view rest = s.substr(at);
  return rest.empty() ||
         ((rest[0] == '.' || rest[0] == ',') && without_digits(rest.substr(1), "").empty());
}

}  // namespace

Meaning meaning_of(std::string_view field, char decimal) {
  if (is_gap(field)) return {Meaning::gap};
  std::string text;
  if (decimal == ',') {
    if (field.find('.') != field.npos) return {Meaning::word};
    text = field;
    if (const std::size_t comma = text.find(','); comma != text.npos) text[comma] = '.';
    field = text;
  }
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  const char* const last = field.data() + field.size();
  const std::string_view digits = field.starts_with('-') ? field.substr(1) : field;
  std::uint64_t whole = 0;  // of up to 2^64, which a double would round
  if (const auto [end, error] = std::from_chars(digits.data(), last, whole);
      end == last && error == std::errc())
    return {Meaning::number, digits.size() < field.size() ? -static_cast<long double>(whole)
                                                          : static_cast<long double>(whole)};
  double x = 0;
  const auto [end, error] = descent::detail::from_chars(field.data(), last, x);
  if (end != last || error == std::errc::invalid_argument) return {Meaning::word};
  if (error == std::errc::result_out_of_range) {  // too small becomes 0
    if (field.find("e-") == field.npos && field.find("E-") == field.npos)
      return {Meaning::too_large};
    x = 0;
  }
  if (!std::isfinite(static_cast<float>(x))) return {Meaning::too_large};
  return {Meaning::number, x};
}

const char* disguise_of(std::string_view word) {
  if (is_date(word)) return "a date";
  if (has_thousands(word)) return "a number with thousands separators";
  if (const std::size_t mark = word.find_first_of(".,"); mark != word.npos && mark > 0)
    if (const auto sign = static_cast<std::size_t>(word[0] == '-' || word[0] == '+');
        mark > sign && without_digits(word.substr(sign, mark - sign), "").empty() &&
        mark + 1 < word.size() && without_digits(word.substr(mark + 1), "").empty())
      return word[mark] == ',' ? "a number with a decimal comma" : "a number with a decimal point";
  const std::size_t digit = word.find_first_of("0123456789");
  if (digit == word.npos) return nullptr;
  if (word.back() == '%' && without_digits(word.substr(0, word.size() - 1), "+-., ").empty())
    return "a percentage";
  const std::string_view before = word.substr(0, digit);
  for (const char* money : {"$", "€", "£", "¥", "-$", "-€", "-£", "USD ", "EUR "})
    if (before == money) return "a sum of money";
  const std::string_view behind = without_digits(word, "+-.,");
  for (const char* unit : {"€", " €", " $", " £"})
    if (behind == unit) return "a sum of money";
  if ((before.empty() || before == "-") && behind.size() > 1 && behind.size() < 8 &&
      behind[0] == ' ')
    return "a number with a unit";
  return nullptr;
}

bool Cursor::next_row() {
  while (at_ != end_) {
    const char* p = at_;
    const bool blanks_separate = format_.separator == ' ';
    while (p != end_ && (*p == ' ' || *p == '\r' || (*p == '\t' && format_.separator != '\t')) &&
           *p != format_.newline)
      ++p;
    if (p == end_) {
      at_ = end_;
      break;
    }
    if (*p == format_.newline) {
      at_ = p + 1;
      continue;
    }
    if (blanks_separate) at_ = p;
    return true;
  }
  return false;
}

void Cursor::skip_row() {
  while (at_ != end_ && *at_ != format_.newline) ++at_;
  if (at_ != end_) ++at_;
}

bool Cursor::next_field_behind_blanks() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || (*at_ == '\r' && format_.newline != '\r')))
    ++at_;
  if (at_ == end_) return false;
  if (*at_ != format_.newline) return true;
  ++at_;
  return false;
}

std::string_view Cursor::field() {
  quoted_ = false;
  while (at_ != end_ && *at_ == ' ' && format_.separator != ' ') ++at_;
  if (at_ != end_ && *at_ == '"') return unquoted();
  const char* const begin = at_;
  while (!behind_field(at_)) ++at_;
  const char* last = at_;
  while (last != begin && blank(last[-1])) --last;
  return {begin, static_cast<std::size_t>(last - begin)};
}

std::string_view Cursor::unquoted() {
  quoted_ = true;
  const char* const begin = ++at_;
  const char* part = begin;  // what is not yet in scratch_
  scratch_.clear();
  while (true) {
    while (at_ != end_ && *at_ != '"') ++at_;
    if (at_ == end_ || at_ + 1 == end_ || at_[1] != '"') break;
    scratch_.append(part, ++at_);  // of two quotes, the first
    part = ++at_;
  }
  const char* const last = at_;
  if (at_ == end_)
    unclosed_ = true;
  else
    ++at_;
  const char* const behind = at_;
  while (!behind_field(at_)) ++at_;
  if (part == begin && std::all_of(behind, at_, [&](char c) { return blank(c); }))
    return {begin, static_cast<std::size_t>(last - begin)};
  scratch_.append(part, last);
  for (const char* p = behind; p != at_; ++p)
    if (!blank(*p)) scratch_ += *p;  // behind the quote: makes it no number
  return scratch_;
}

}  // namespace descent::data::detail
