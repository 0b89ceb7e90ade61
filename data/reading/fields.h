// The rows and fields of a table's text. Internal: users call read_table().
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace descent::data::detail {

/// How the text of a table is cut, and how it writes numbers.
struct Format {
  char separator = ',';  ///< ' ' stands for any number of spaces and tabs
  char newline = '\n';   ///< '\r' in files of old Macs
  char decimal = '.';    ///< or ','
};

/// What a field holds.
struct Meaning {
  enum Kind { number, gap, word, too_large } kind;
  long double value = 0;  ///< of a number
};
/// Reads a field without spaces around it. A gap is an empty field, NA, N/A, nan, null or '?'. A
/// number that no float can hold is too large; a number that is too small for a float becomes 0.
Meaning meaning_of(std::string_view field, char decimal);

/// What is unusual about a word that people read as a number, as "a date": nothing for other words.
const char* disguise_of(std::string_view word);

/// Goes through a text row by row and field by field. Blank rows are left out. A field
/// may stand in double quotes, and may then hold separators, doubled quotes and line breaks.
///
///   while (cursor.next_row())
///     do {
///       use(cursor.field());
///     } while (cursor.next_field());
class Cursor {
 public:
  Cursor(std::string_view text, const Format& format)
      : at_(text.data()), end_(at_ + text.size()), format_(format) {
    const std::size_t last = text.rfind(format.newline);
    last_newline_ = last == text.npos ? at_ : at_ + last;
    // A decimal mark that separates too can stand in quotes alone. No loop over digits ends at '0'.
    decimal_ = format.decimal == format.separator ? '0' : format.decimal;
  }

  /// Goes to the first field of the next row. Returns false if there is none.
  bool next_row();
  /// Reads the field that begins here, without spaces around it. The result is a part of the text,
  /// or, if the field had to be put together, valid until the next call.
  std::string_view field();
  /// Reads the field that begins here if it is a plain number, and not in a last row without an
  /// end. Otherwise returns false, and the field can be read with field().
  bool plain_number(double& x);
  /// Goes to the next field of the row, behind the one that was read. Returns false, and stands
  /// behind the row, if there is none.
  bool next_field() {
    if (format_.separator == ' ') return next_field_behind_blanks();
    if (at_ == end_) return false;
    return *at_++ == format_.separator;
  }
  /// Goes behind the row.
  void skip_row();

  const char* at() const { return at_; }       ///< where the cursor stands
  bool quoted() const { return quoted_; }      ///< the field that was read stood in quotes
  bool unclosed() const { return unclosed_; }  ///< a quote has no end

 private:
  bool next_field_behind_blanks();
  bool blank(char c) const {
    return c == ' ' || c == '\r' || (c == '\t' && format_.separator != '\t');
  }
  bool behind_field(const char* p) const {
    return p == end_ || *p == format_.separator || *p == format_.newline ||
           (*p == '\t' && format_.separator == ' ');
  }
  std::string_view unquoted();

  const char *at_, *end_;
  char decimal_;              // of plain numbers
  const char* last_newline_;  // where loops over characters end without a check
  Format format_;
  bool quoted_ = false, unclosed_ = false;
  std::string scratch_;
};

/// Powers of ten that a double holds exactly.
inline constexpr std::array<double, 23> kPowers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads eight digits at once. Returns false if one of the characters is no digit.
inline bool eight_digits(const char* p, std::uint64_t& value) {
  std::uint64_t v = 0;
  for (int i = 0; i < 8; ++i)  // one load where the lowest byte comes first
    v |= std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  if (((v & 0xF0F0F0F0F0F0F0F0U) | (((v + 0x0606060606060606U) & 0xF0F0F0F0F0F0F0F0U) >> 4)) !=
      0x3333333333333333U)
    return false;
  v -= 0x3030303030303030U;
  v = v * 10 + (v >> 8);  // pairs, then fours, then all
  value = ((v & 0x000000FF000000FFU) * 0x000F424000000064U +
           ((v >> 16) & 0x000000FF000000FFU) * 0x0000271000000001U) >>
          32;
  return true;
}

inline bool Cursor::plain_number(double& x) {
  const char* p = at_;
  if (p >= last_newline_) return false;
  while (*p == ' ') ++p;
  const bool negative = *p == '-';
  p += static_cast<int>(negative) | static_cast<int>(*p == '+');  // no branch: signs vary
  std::uint64_t digits = 0;
  const char* const begin = p;
  for (; is_digit(*p); ++p) digits = digits * 10 + static_cast<unsigned>(*p - '0');
  std::ptrdiff_t count = p - begin;
  int exponent = 0;
  if (*p == decimal_) {
    const char* const point = ++p;
    if (std::uint64_t eight; last_newline_ - p >= 8 && eight_digits(p, eight)) {
      digits = digits * 100000000 + eight;
      p += 8;
    }
    for (; is_digit(*p); ++p) digits = digits * 10 + static_cast<unsigned>(*p - '0');
    count += p - point;
    exponent = static_cast<int>(point - p);
  }
  if (count == 0 || count > 18) return false;
  if (*p == 'e' || *p == 'E') {
    ++p;
    const bool below = *p == '-';
    p += below || *p == '+';
    const char* const power = p;
    int value = 0;
    for (; is_digit(*p) && p - power < 3; ++p) value = value * 10 + (*p - '0');
    if (p == power) return false;
    exponent += below ? -value : value;
  }
  if (format_.separator != ' ')
    while (*p != format_.separator && *p != format_.newline && blank(*p)) ++p;
  if (*p != format_.separator && *p != format_.newline && (format_.separator != ' ' || !blank(*p)))
    return false;
  // Both factors are exact in double, so the result is rounded once.
  if (digits > (std::uint64_t{1} << 53) || exponent < -22 || exponent > 22) return false;
  const auto whole = static_cast<double>(digits);
  const double size = exponent < 0 ? whole / kPowers[static_cast<std::size_t>(-exponent)]
                                   : whole * kPowers[static_cast<std::size_t>(exponent)];
  if (size > 3.4e38) return false;
  x = std::bit_cast<double>(std::bit_cast<std::uint64_t>(size) ^ std::uint64_t{negative} << 63);
  at_ = p;
  return true;
}

}  // namespace descent::data::detail
