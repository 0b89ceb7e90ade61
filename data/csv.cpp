#include <descent/core/create.h>
#include <descent/core/files.h>
#include <descent/data/files.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

namespace descent::data {
namespace {

using Row = std::vector<std::string>;

std::string_view trim(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

/// The number that a field holds. Returns nothing if the field holds no number, or a number too
/// large for a float. A number that is too small for a float becomes 0.
std::optional<double> number(std::string_view field) {
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  double x = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), x);
  if (end != field.data() + field.size() || error == std::errc::invalid_argument) return {};
  if (error == std::errc::result_out_of_range) {  // too small becomes 0, too large is no number
    long double wide = 0;
    if (std::from_chars(field.data(), end, wide).ec == std::errc())
      x = static_cast<double>(wide);
    else if (field.find("e-") == field.npos && field.find("E-") == field.npos)
      return {};
  }
  if (!std::isfinite(static_cast<float>(x))) return {};
  return x;
}

/// True for text that is not a number. A number that is too large or too small is not a word.
bool is_word(std::string_view field) {
  double x = 0;
  if (field.size() > 1 && field[0] == '+') field.remove_prefix(1);
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), x);
  return error == std::errc::invalid_argument || end != field.data() + field.size();
}

/// Cuts a line into fields; a field may stand in double quotes. Empty if a quote has no end.
std::optional<Row> fields(std::string_view line, char separator) {
  Row row;
  std::size_t i = 0;
  while (true) {
    std::string field;
    while (i < line.size() && line[i] == ' ') ++i;
    if (i < line.size() && line[i] == '"') {
      for (++i; i < line.size(); ++i) {
        if (line[i] != '"')
          field += line[i];
        else if (i + 1 < line.size() && line[i + 1] == '"')
          field += line[++i];
        else
          break;
      }
      if (i >= line.size()) return {};
      for (++i; i < line.size() && line[i] != separator; ++i)
        if (line[i] != ' ') field += line[i];  // behind the quote: refused later, as no number
    } else {
      const std::size_t end = std::min(line.find(separator, i), line.size());
      field = trim(line.substr(i, end - i));
      i = end;
    }
    row.push_back(std::move(field));
    if (i >= line.size()) return row;
    ++i;
  }
}

char separator_of(std::string_view line) {
  for (const char c : {',', ';', '\t'})
    if (line.find(c) != std::string_view::npos) return c;
  return ',';
}

}  // namespace

Dataset csv(const std::string& path, const CsvOptions& options) {
  return parse_csv(gunzip(read_file(path), path), options, path);
}

Dataset parse_csv(std::string_view text, const CsvOptions& options, const std::string& name) {
  const auto bad = [&](const auto&... parts) { fail<FileError>("csv", name, ": ", parts...); };
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    bad("got text in UTF-16, expected UTF-8. Hint: save it anew in that encoding");
  std::vector<Row> rows;
  std::vector<std::size_t> lines;  // the line of each row, for messages
  Row header;
  char separator = 0;
  const bool old_mac = text.find('\n') == text.npos;  // lines that end in CR alone
  const char newline = old_mac ? '\r' : '\n';
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find(newline), text.size());
    const std::string_view content = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty()) continue;
    if (separator == 0) separator = separator_of(content);
    std::optional<Row> cut = fields(content, separator);
    if (!cut)
      bad("got a quote without an end in line ", line, ", expected one that ends in its line");
    Row row = std::move(*cut);
    if (rows.empty() && header.empty()) {
      // A first line with a word is a header, with one exception. Suppose the only word is in the
      // last column, and the second line has a word there too. Then the first line is a sample, and
      // the word is its class.
      const auto words =
          std::count_if(row.begin(), row.end(), [](const std::string& f) { return is_word(f); });
      const std::string_view next = trim(text.substr(0, std::min(text.find(newline), text.size())));
      const bool only_last = words == 1 && is_word(row.back()) && row.size() > 1 &&
                             is_word(fields(next, separator).value_or(Row{""}).back());
      if (options.header.value_or(words > 0 && !only_last)) {
        header = std::move(row);
        continue;
      }
    }
    const std::size_t expected =
        rows.empty() ? (header.empty() ? row.size() : header.size()) : rows[0].size();
    if (row.size() != expected)
      bad("got ", row.size(), " fields in line ", line, ", expected ", expected,
          ". Hint: is the separator '", separator, "'?");
    rows.push_back(std::move(row));
    lines.push_back(line);
  }
  if (rows.empty()) bad("got no rows, expected at least one line of numbers");
  const auto columns = static_cast<std::int64_t>(rows[0].size());
  if (columns < 2)
    bad("got ", columns,
        " column, expected features and a target. Hint: is the separator a comma, semicolon or "
        "tab?");

  std::int64_t target = 0;
  if (const auto* wanted = std::get_if<std::string>(&options.target)) {
    const auto found = std::find(header.begin(), header.end(), *wanted);
    if (found == header.end()) {
      const std::string near = nearest_match(*wanted, header);
      fail<ValueError>("csv", name, ": got the target '", *wanted,
                       "', expected a name of the header",
                       header.empty() ? ", and there is none. Hint: give its number"
                       : near.empty() ? ""
                                      : to_text(". Hint: did you mean '", near, "'?"));
    }
    target = found - header.begin();
  } else {
    target = std::get<std::int64_t>(options.target);
    if (target < -columns || target >= columns)
      fail<ValueError>("csv", name, ": got target column ", target, ", expected one in [", -columns,
                       ", ", columns - 1, "]");
    if (target < 0) target += columns;
  }

  std::vector<bool> dropped(static_cast<std::size_t>(columns));
  std::int64_t kept = columns - 1;
  for (const std::string& column : options.drop) {
    const auto found = std::find(header.begin(), header.end(), column);
    std::int64_t c = found - header.begin();
    if (found == header.end()) {
      const auto value = number(column);
      if (!value || *value != std::floor(*value) || *value < 0 ||
          *value >= static_cast<double>(columns))
        fail<ValueError>("csv", name, ": got the column '", column,
                         "' to drop, expected a name of the header or a number in [0, ",
                         columns - 1, "]");
      c = static_cast<std::int64_t>(*value);
    }
    if (c == target)
      fail<ValueError>("csv", name, ": got the target '", column,
                       "' to drop, expected another column");
    kept -= !dropped[static_cast<std::size_t>(c)];
    dropped[static_cast<std::size_t>(c)] = true;
  }
  if (kept < 1) bad("got no columns but the target, expected at least one feature");

  const auto n = static_cast<std::int64_t>(rows.size());
  Dataset d;
  d.name = name;
  d.x = empty({n, kept});
  float* x = d.x.data_ptr<float>();
  bool all_numbers = true, all_whole = true;
  std::map<std::string, std::int64_t> words;
  std::map<double, std::int64_t> values;
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::string& field = rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
      if (dropped[static_cast<std::size_t>(c)]) continue;
      const auto value = number(field);
      if (c == target) {
        words.emplace(field, 0);
        all_numbers &= value.has_value();
        if (value) values.emplace(*value, 0);
        all_whole &= value && *value == std::floor(*value);
        if (field.empty())
          bad("got an empty target in line ", lines[static_cast<std::size_t>(r)],
              ", expected a class or a number");
      } else if (!value) {
        bad("got '", field, "' in line ", lines[static_cast<std::size_t>(r)], ", column ", c,
            " counted from 0",
            header.empty() ? "" : to_text(" (", header[static_cast<std::size_t>(c)], ")"),
            ", expected a finite number. Hint: if this column is the target, name it; else drop "
            "it, "
            "or turn words into numbers and fill in missing values first");
      } else {
        *x++ = static_cast<float>(*value);
      }
    }
  for (std::int64_t c = 0; c < columns && !header.empty(); ++c)
    if (c != target && !dropped[static_cast<std::size_t>(c)])
      d.features.push_back(header[static_cast<std::size_t>(c)]);

  const auto target_of = [&](std::int64_t r) -> const std::string& {
    return rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(target)];
  };
  if (options.task == Task::automatic && !all_numbers && !values.empty()) {
    std::int64_t r = 0;
    while (number(target_of(r))) ++r;
    bad("got the target '", target_of(r), "' in line ", lines[static_cast<std::size_t>(r)],
        " among numbers, expected all numbers or all words. Hint: fill in what is missing, or say "
        "which task it is");
  }
  const bool few = values.size() <= 50 && values.size() * 2 <= rows.size();
  Task task = options.task;
  if (task == Task::automatic)
    task = !all_numbers || (all_whole && few) ? Task::classification : Task::regression;
  if (task == Task::regression) {
    d.y = empty({n, 1});
    for (std::int64_t r = 0; r < n; ++r) {
      const auto value = number(target_of(r));
      if (!value)
        bad("got the target '", target_of(r), "' in line ", lines[static_cast<std::size_t>(r)],
            ", expected a finite number for regression");
      d.y.data_ptr<float>()[r] = static_cast<float>(*value);
    }
    return d;
  }
  d.y = empty({n}, kInt64);
  const auto label = [](auto& table) {
    std::int64_t next = 0;
    for (auto& [key, index] : table) index = next++;
  };
  label(words);
  label(values);
  if (all_numbers)
    for (const auto& [value, index] : values) d.classes.push_back(to_text(value));
  else
    for (const auto& [word, index] : words) d.classes.push_back(word);
  for (std::int64_t r = 0; r < n; ++r)
    d.y.data_ptr<std::int64_t>()[r] =
        all_numbers ? values.at(*number(target_of(r))) : words.at(target_of(r));
  return d;
}

}  // namespace descent::data
