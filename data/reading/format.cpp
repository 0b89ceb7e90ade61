#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/data/reading/format.h>

#include <algorithm>
#include <cstdint>

namespace descent::data::detail {

std::size_t width_at(Cursor& cursor) {
  std::size_t n = 0;
  do {
    cursor.field();
    ++n;
  } while (cursor.next_field());
  return n;
}

Row row_at(Cursor& cursor, std::string_view text) {
  Row row;
  do {
    Field field{cursor.field(), nullptr};
    if (field.text.data() < text.data() || field.text.data() > text.data() + text.size()) {
      field.own = std::make_shared<const std::string>(field.text);
      field.text = *field.own;
    }
    row.push_back(std::move(field));
  } while (row.size() <= kMostColumns && cursor.next_field());
  return row;
}

std::vector<Row> first_rows(std::string_view text, const Format& format, std::size_t most) {
  std::vector<Row> rows;
  for (Cursor cursor(text, format); rows.size() < most && cursor.next_row();) {
    rows.push_back(row_at(cursor, text));
    most = std::min(most, 2 + 100000 / rows.back().size());
  }
  return rows;
}

bool is_whole(std::string_view s) {
  return !s.empty() && s.size() < 10 && s.find_first_not_of("0123456789") == s.npos;
}

std::size_t number_of(std::string_view whole) {
  return static_cast<std::size_t>(*parse_number(whole));
}

// ---- what kind of file it is ----

void refuse_other_formats(std::string_view text, const std::string& name) {
  const auto refuse = [&](const char* got, const char* hint) {
    fail<FileError>("table", name, ": got ", got, ", expected text. Hint: ", hint);
  };
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    fail<FileError>("table", name,
                    ": got text in UTF-16, expected UTF-8. Hint: save it anew in that "
                    "encoding, or iconv -f UTF-16 -t UTF-8");
  if (text.starts_with("PK\x03\x04"))
    refuse("a zip file or an Excel sheet", "unpack it, or save the sheet as CSV");
  if (text.starts_with("\xD0\xCF\x11\xE0")) refuse("an Excel sheet", "save it as CSV");
  if (text.starts_with("PAR1")) refuse("a Parquet file", "write it as CSV, as with pandas");
  if (text.starts_with("\x28\xB5\x2F\xFD")) refuse("a zstd file", "unpack it with zstd -d");
  if (text.starts_with(std::string_view("\xFD"
                                        "7zXZ\0",
                                        6)))
    refuse("an xz file", "unpack it with xz -d");
  if (text.starts_with("BZh")) refuse("a bzip2 file", "unpack it with bzip2 -d");
  if (text.starts_with("\x93NUMPY")) refuse("a NumPy array", "write it with numpy.savetxt");
  std::string start;
  for (const char c : text.substr(0, 200))
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
      start += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml"))
    refuse("a web page", "was it the address of a page instead of the file?");
  if (start.starts_with("{\"") || start.starts_with("[{") || start.starts_with("[["))
    refuse("JSON", "write the table as CSV");
  if (text.substr(0, 4096).find('\0') != text.npos)
    refuse("bytes of 0", "is it a text file in UTF-8?");
}

std::size_t not_utf8(std::string_view s) {
  constexpr std::size_t kBlock = 256;
  for (std::size_t i = 0; i < s.size();) {
    if (i + kBlock <= s.size()) {  // mostly there is nothing but ASCII
      unsigned char any = 0;
      for (std::size_t k = 0; k < kBlock; ++k) any |= static_cast<unsigned char>(s[i + k]);
      if (any < 0x80) {
        i += kBlock;
        continue;
      }
    }
    const auto byte = [&](std::size_t k) {
      return k < s.size() ? static_cast<unsigned char>(s[k]) : 0U;
    };
    const unsigned c = byte(i), next = byte(i + 1);
    const std::size_t n = c < 0x80   ? 1
                          : c < 0xC2 ? 0
                          : c < 0xE0 ? 2
                          : c < 0xF0 ? 3
                          : c < 0xF5 ? 4
                                     : 0;
    if (n == 0 || (c == 0xE0 && next < 0xA0) || (c == 0xED && next > 0x9F) ||
        (c == 0xF0 && next < 0x90) || (c == 0xF4 && next > 0x8F))
      return i;
    for (std::size_t k = 1; k < n; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    i += n;
  }
  return std::string_view::npos;
}

// ---- how the text is cut ----

char separator_of(std::string_view text, Format format) {
  char best = ',';
  std::size_t most = 0;
  // A character that cuts all rows into as many fields is the separator. The order decides if
  // several do: a decimal comma cuts evenly too.
  for (const char separator : {'\t', ';', '|', ',', ' '}) {
    format.separator = separator;
    std::vector<std::size_t> widths;
    for (Cursor cursor(text, format); widths.size() < 50 && cursor.next_row();)
      widths.push_back(width_at(cursor));
    if (widths.empty() || widths[0] < 2) continue;
    // The first row of scikit-learn's own files has another width.
    const auto even = static_cast<std::size_t>(std::count_if(
        widths.begin(), widths.end(), [&](std::size_t w) { return w == widths.back(); }));
    if (widths.back() > 1 && (even == widths.size() || (even > 1 && even + 1 == widths.size() &&
                                                        widths[0] != widths.back())))
      return separator;
    if (separator != ' ' && even > most) most = even, best = separator;
  }
  return best;
}

namespace {
bool has_mark(const Row& row, char mark) {
  return std::any_of(row.begin(), row.end(), [&](const Field& f) {
    const std::size_t at = f.text.find(mark);
    return at != f.text.npos && f.text.find_first_not_of("0123456789+-", 0) == at && at > 0 &&
           at + 1 < f.text.size() &&
           f.text.find_first_not_of("0123456789eE+-", at + 1) == f.text.npos;
  });
}

}  // namespace

char decimal_of(const std::vector<Row>& rows, const std::string& name) {
  bool comma = false, sure = false;
  for (std::size_t r = 1; r < rows.size() || (r == 1 && rows.size() == 1); ++r) {
    const Row& row = rows[std::min(r, rows.size() - 1)];
    if (has_mark(row, '.')) return '.';
    for (const Field& f : row)
      if (has_mark({f}, ',')) {
        comma = true;
        const std::size_t behind = f.text.size() - f.text.find(',') - 1;
        sure = sure || behind != 3 || f.text[0] == '0';
      }
  }
  if (comma && !sure)
    fail<FileError>(
        "table", name,
        ": got numbers as 1,234, expected no comma or a decimal comma. Hint: if they are decimal "
        "commas, say so with the option decimal; else write them without separators");
  return comma ? ',' : '.';
}

namespace {
/// True if the fields of a row are whole numbers, each one more than that before. A last word may
/// follow.
bool counts_up(const Row& row) {
  std::size_t numbers = row.size();
  if (meaning_of(row.back().text, '.').kind == Meaning::word) --numbers;
  if (numbers < 2 || row.size() < 3) return false;
  for (std::size_t i = 0; i < numbers; ++i)
    if (!is_whole(row[i].text) || number_of(row[i].text) != number_of(row[0].text) + i)
      return false;
  return true;
}

}  // namespace

bool is_header(const std::vector<Row>& rows, char decimal) {
  const Row& first = rows[0];
  const auto kind = [&](const Row& row, std::size_t c) {
    return c < row.size() ? meaning_of(row[c].text, decimal).kind : Meaning::gap;
  };
  bool words = false, new_words = true;
  for (std::size_t c = 0; c < first.size(); ++c) {
    const bool word = kind(first, c) == Meaning::word;
    words = words || word;
    bool number_below = false;
    for (std::size_t r = 1; r < rows.size(); ++r) {
      number_below = number_below || kind(rows[r], c) == Meaning::number;
      if (kind(rows[r], c) == Meaning::word) {
        number_below = false;
        if (word && rows[r][c].text == first[c].text) new_words = false;
        break;
      }
    }
    if (word && (number_below || rows.size() == 1)) return true;
    if (!word && kind(first, c) == Meaning::number) new_words = false;
    for (std::size_t r = 1; r < rows.size() && word && new_words; ++r)
      if (c < rows[r].size() && rows[r][c].text == first[c].text) new_words = false;
  }
  if (counts_up(first) &&
      std::none_of(rows.begin() + 1, rows.end(), [](const Row& row) { return counts_up(row); })) {
    // A last word that names a class of other rows too is a sample.
    return kind(first, first.size() - 1) != Meaning::word ||
           std::none_of(rows.begin() + 1, rows.end(),
                        [&](const Row& row) { return row.back().text == first.back().text; });
  }
  return words && new_words && rows.size() > 1;
}

std::vector<std::string> class_names_of(const std::vector<Row>& rows) {
  const Row& first = rows[0];
  if (rows.size() < 2 || first.size() < 4 || !is_whole(first[0].text) || !is_whole(first[1].text) ||
      number_of(first[1].text) + 1 != rows[1].size())
    return {};
  std::vector<std::string> names;
  for (std::size_t c = 2; c < first.size(); ++c) {
    if (meaning_of(first[c].text, '.').kind != Meaning::word) return {};
    names.emplace_back(first[c].text);
  }
  return names;
}

}  // namespace descent::data::detail
