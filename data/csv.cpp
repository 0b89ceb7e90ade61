#include <descent/core/create.h>
#include <descent/core/files.h>
#include <descent/data/files.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

namespace descent::data {
namespace {

// Beyond these a table is more likely damaged than meant; the names alone would fill the memory.
constexpr std::size_t kMostColumns = std::size_t{1} << 20, kMostClasses = std::size_t{1} << 18;

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

/// Goes through the lines of a text. Leaves out spaces around a line, and empty lines.
class Lines {
 public:
  Lines(std::string_view text, char newline) : rest_(text), newline_(newline) {}
  /// Goes to the next line. Returns false if there is none.
  bool next() {
    do {
      if (rest_.empty()) return false;
      const std::size_t end = std::min(rest_.find(newline_), rest_.size());
      line = trim(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number;
    } while (line.empty());
    return true;
  }

  std::string_view line;
  std::size_t number = 0;  // from 1, with the lines that are left out

 private:
  std::string_view rest_;
  char newline_;
};

/// Goes through the fields of a line. A field may stand in double quotes.
class Fields {
 public:
  Fields(std::string_view line, char separator) : line_(line), separator_(separator) {}
  /// Goes to the next field. Returns false if there is none.
  bool next() {
    if (at_ > line_.size()) return false;
    while (at_ < line_.size() && line_[at_] == ' ') ++at_;
    if (at_ < line_.size() && line_[at_] == '"') {
      unquote();
    } else {
      const std::size_t end = std::min(line_.find(separator_, at_), line_.size());
      field = trim(line_.substr(at_, end - at_));
      at_ = end;
    }
    ++at_;
    return true;
  }

  std::string_view field;   // valid until next()
  bool has_no_end = false;  // a quote has no end

 private:
  void unquote() {
    unquoted_.clear();
    for (++at_; at_ < line_.size(); ++at_) {
      if (line_[at_] != '"')
        unquoted_ += line_[at_];
      else if (at_ + 1 < line_.size() && line_[at_ + 1] == '"')
        unquoted_ += line_[++at_];
      else
        break;
    }
    has_no_end = has_no_end || at_ >= line_.size();
    for (++at_; at_ < line_.size() && line_[at_] != separator_; ++at_)
      if (line_[at_] != ' ') unquoted_ += line_[at_];  // behind the quote: refused as no number
    field = unquoted_;
  }

  std::string_view line_;
  char separator_;
  std::size_t at_ = 0;
  std::string unquoted_;
};

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
  // Old Macs end lines with CR alone.
  Lines lines(text, text.find('\n') == text.npos ? '\r' : '\n');
  const Lines start = lines;
  if (!lines.next()) bad("got no rows, expected at least one line of numbers");
  const char separator = separator_of(lines.line);
  const auto check_line = [&](const Lines& at, std::size_t got, std::size_t expected,
                              const Fields& fields) {
    if (fields.has_no_end)
      bad("got a quote without an end in line ", at.number, ", expected one that ends in its line");
    if (got != expected)
      bad("got ", got, " fields in line ", at.number, ", expected ", expected,
          ". Hint: is the separator '", separator, "'?");
  };
  // A first line with a word is a header, with one exception. Suppose the only word is in the last
  // column, and the second line has a word there too. Then the first line is a sample, and the word
  // is its class.
  std::size_t width = 0, words = 0;
  bool last_is_word = false;
  Fields first(lines.line, separator);
  for (; first.next(); ++width) words += last_is_word = is_word(first.field);
  check_line(lines, width, width, first);
  Lines second = lines;
  const bool one_word = words == 1 && last_is_word && width > 1;
  if (one_word && second.next()) {
    Fields fields(second.line, separator);
    while (fields.next()) last_is_word = is_word(fields.field) || fields.has_no_end;
  }
  if (width > kMostColumns) bad("got ", width, " columns, expected at most ", kMostColumns);
  std::vector<std::string> header;
  if (options.header.value_or(words > 0 && !(one_word && last_is_word)))
    for (Fields names(lines.line, separator); names.next();) header.emplace_back(names.field);
  else
    lines = start;
  const Lines body = lines;  // stands before the first row
  std::size_t rows = 0;
  while (lines.next()) ++rows;
  if (rows == 0) bad("got no rows, expected at least one line of numbers");
  const auto columns = static_cast<std::int64_t>(width);
  if (columns < 2)
    bad("got ", columns,
        " column, expected features and a target. Hint: is the separator a comma, semicolon or "
        "tab?");

  std::int64_t target = 0;
  if (const auto* wanted = std::get_if<std::string>(&options.target)) {
    const auto found = std::find(header.begin(), header.end(), *wanted);
    if (found == header.end()) {
      const std::string near = nearest_match(*wanted, header);
      fail<ValueError>("csv", name, ": got the target '", brief(*wanted),
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
        fail<ValueError>("csv", name, ": got the column '", brief(column),
                         "' to drop, expected a name of the header or a number in [0, ",
                         columns - 1, "]");
      c = static_cast<std::int64_t>(*value);
    }
    if (c == target)
      fail<ValueError>("csv", name, ": got the target '", brief(column),
                       "' to drop, expected another column");
    kept -= !dropped[static_cast<std::size_t>(c)];
    dropped[static_cast<std::size_t>(c)] = true;
  }
  if (kept < 1) bad("got no columns but the target, expected at least one feature");

  Dataset d;
  d.name = name;
  // A row has at least a byte for each column. If there are more lines than that allows, one of
  // them is too short, and reading ends there with an error.
  const auto n = static_cast<std::int64_t>(std::min(rows, text.size() / width + 2));
  d.x = empty({n, kept});
  float* x = d.x.data_ptr<float>();
  bool all_whole = true;
  std::set<double> values;  // of the target, while they are few
  constexpr std::size_t kFew = 50;
  std::string no_number;  // the first target that is not a number
  std::size_t its_line = 0;
  for (lines = body; lines.next();) {
    Fields fields(lines.line, separator);
    const auto refuse = [&](std::size_t c, const auto&... why) {  // unless the line is at fault
      std::size_t got = c + 1;
      while (fields.next()) ++got;
      check_line(lines, got, width, fields);
      bad(why...);
    };
    std::size_t c = 0;
    for (; fields.next(); ++c) {
      if (c >= width || dropped[c]) continue;
      const auto value = number(fields.field);
      if (static_cast<std::int64_t>(c) != target) {
        if (!value)
          refuse(c, "got '", brief(fields.field), "' in line ", lines.number, ", column ", c,
                 " counted from 0", header.empty() ? "" : to_text(" (", brief(header[c]), ")"),
                 ", expected a finite number. Hint: if this column is the target, name it; else "
                 "drop it, or turn words into numbers and fill in missing values first");
        *x++ = static_cast<float>(*value);
        continue;
      }
      if (fields.field.empty())
        refuse(c, "got an empty target in line ", lines.number, ", expected a class or a number");
      all_whole &= value && *value == std::floor(*value);
      if (!value && its_line == 0) {
        no_number = brief(fields.field);
        its_line = lines.number;
      }
      if (value && values.size() <= kFew) values.insert(*value);
    }
    check_line(lines, c, width, fields);
  }
  for (std::size_t c = 0; c < header.size(); ++c)
    if (static_cast<std::int64_t>(c) != target && !dropped[c])
      d.features.push_back(std::move(header[c]));

  const bool all_numbers = its_line == 0, few = values.size() <= kFew && values.size() * 2 <= rows;
  if (options.task == Task::automatic && !all_numbers && !values.empty())
    bad("got the target '", no_number, "' in line ", its_line,
        " among numbers, expected all numbers or all words. Hint: fill in what is missing, or say "
        "which task it is");
  Task task = options.task;
  if (task == Task::automatic)
    task = !all_numbers || (all_whole && few) ? Task::classification : Task::regression;
  if (task == Task::regression && !all_numbers)
    bad("got the target '", no_number, "' in line ", its_line,
        ", expected a finite number for regression");

  const auto for_each_target = [&](const auto& f) {
    for (lines = body; lines.next();) {
      Fields fields(lines.line, separator);
      for (std::int64_t c = 0; c <= target; ++c) fields.next();
      f(fields.field);
    }
  };
  if (task == Task::regression) {
    d.y = empty({n, 1});
    float* y = d.y.data_ptr<float>();
    for_each_target([&](std::string_view field) { *y++ = static_cast<float>(*number(field)); });
    return d;
  }
  d.y = empty({n}, kInt64);
  std::int64_t* const y = d.y.data_ptr<std::int64_t>();
  // Labels count in the order of first sight, then in the order of the keys.
  const auto label = [&]<class Map>(Map table, const auto& key_of, const auto& name_of) {
    std::int64_t r = 0;
    for_each_target([&](std::string_view field) {
      const auto key = key_of(field);
      auto at = table.find(key);
      if (at == table.end()) {
        if (table.size() == kMostClasses)
          bad("got more than ", kMostClasses,
              " classes, expected fewer. Hint: name the column of "
              "the target, or say that the task is regression");
        at = table.emplace(key, static_cast<std::int64_t>(table.size())).first;
      }
      y[r++] = at->second;
    });
    std::vector<std::int64_t> place(table.size());
    while (!table.empty()) {
      auto node = table.extract(table.begin());
      place[static_cast<std::size_t>(node.mapped())] = static_cast<std::int64_t>(d.classes.size());
      d.classes.push_back(name_of(std::move(node.key())));
    }
    for (r = 0; r < n; ++r) y[r] = place[static_cast<std::size_t>(y[r])];
  };
  if (all_numbers)
    label(
        std::map<double, std::int64_t>(), [](std::string_view field) { return *number(field); },
        [](double value) { return to_text(value); });
  else
    label(
        std::map<std::string, std::int64_t, std::less<>>(),
        [](std::string_view field) { return field; },
        [](std::string&& word) { return std::move(word); });
  return d;
}

}  // namespace descent::data
