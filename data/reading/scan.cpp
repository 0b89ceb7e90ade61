#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/parallel.h>
#include <descent/core/text.h>
#include <descent/data/reading/pieces.h>
#include <descent/data/reading/scan.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace descent::data::detail {
namespace {

const char* name_of(char separator) {
  return separator == '\t' ? "tab" : separator == ' ' ? "blank" : nullptr;
}

class Scanner {
 public:
  Scanner(std::string_view text, const TableOptions& options, const std::string& name,
          const Place& place)
      : text_(text), options_(options), place_(place) {
    names_.table = table_.name = name;
  }

  Scan run(const Choose& choose) {
    find_format();
    find_names();
    plans_.assign(names_.names.size(), {});
    choose(names_, plans_);
    check_names();
    plan();
    read_all();
    reread_words();
    order_words();
    finish();
    Scan scan{std::move(table_), {}, row_of_names_, format_};
    for (std::size_t c = 0; c < names_.names.size(); ++c)
      scan.gaps.push_back(origin_of(first_of(c, &PieceColumn::first_gap)));
    return scan;
  }

 private:
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail<FileError>("table", table_.name, ": ", parts...);
  }
  std::size_t line_of(const char* at) const {
    return static_cast<std::size_t>(1 + place_.lines +
                                    std::count(text_.data(), at, format_.newline));
  }
  std::string in_column(std::size_t c) const {
    return to_text("column ", c, " counted from 0",
                   table_.has_header ? to_text(" (", brief(names_.names[c]), ")") : "");
  }

  void find_format() {
    body_ = text_;
    if (place_.first) {
      refuse_other_formats(text_, table_.name);
      if (body_.starts_with("\xEF\xBB\xBF")) body_.remove_prefix(3);
    }
    format_.newline = body_.find('\n') == body_.npos ? '\r' : '\n';
    if (place_.first) skip_comments();
    if (options_.separator != '\0')
      format_.separator = options_.separator;
    else
      format_.separator = separator_of(body_, format_);
    Cursor first(body_, format_);
    if (!first.next_row()) bad("got no rows, expected at least one");
    if (const std::size_t width = width_at(first); width > kMostColumns)
      bad("got ", width, " columns, expected at most ", kMostColumns);
    sample_ = first_rows(body_, format_, 200);
    if (hash_header_) sample_[0][0].text.remove_prefix(1);
    if (options_.decimal != '\0')
      format_.decimal = options_.decimal;
    else
      format_.decimal = decimal_of(sample_, table_.name);
    table_.separator = format_.separator;
    table_.decimal = format_.decimal;
  }

  /// Leaves out the lines at the top that begin with '#', but keeps a last one that is a header: it
  /// has as many fields as the row below.
  void skip_comments() {
    std::string_view last;
    while (true) {
      Cursor cursor(body_, format_);
      if (!cursor.next_row()) bad("got no rows, expected at least one");
      if (*cursor.at() != '#') break;
      last = body_;
      cursor.skip_row();
      body_.remove_prefix(static_cast<std::size_t>(cursor.at() - body_.data()));
    }
    if (last.empty()) return;
    Format format = format_;
    format.separator =
        options_.separator != '\0' ? options_.separator : separator_of(body_, format_);
    const std::vector<Row> rows = first_rows(last, format, 2);
    if (format.separator == ' ' || rows.size() < 2 || rows[0].size() < 2 ||
        rows[0].size() != rows[1].size())
      return;
    body_ = last;
    hash_header_ = true;
  }

  void find_names() {
    if (!options_.header.value_or(false)) table_.class_names = class_names_of(sample_);
    table_.has_header =
        table_.class_names.empty() && options_.header.value_or(is_header(sample_, format_.decimal));
    if (table_.has_header || !table_.class_names.empty()) {
      Cursor cursor(body_, format_);
      cursor.next_row();
      width_at(cursor);
      if (cursor.unclosed())
        bad("got a quote without an end in line ", line_of(body_.data()),
            ", expected one that ends");
      const auto size = static_cast<std::size_t>(cursor.at() - body_.data());
      if (table_.has_header) row_of_names_ = body_.substr(0, size);
      if (hash_header_) row_of_names_.remove_prefix(1);
      body_.remove_prefix(size);
      if (table_.has_header)
        for (const Field& f : sample_[0]) names_.names.emplace_back(f.text);
      sample_.erase(sample_.begin());
    }
    if (sample_.empty()) bad("got no rows, expected at least one below the names");
    if (names_.names.empty())
      for (std::size_t c = 0; c < sample_[0].size(); ++c) names_.names.push_back(std::to_string(c));
  }

  void plan() {
    const std::size_t width = names_.names.size();
    pieces_ = pieces_of(body_, format_);
    sample_rows();
    passes_.resize(width);
    std::size_t to = 0;
    for (std::size_t c = 0; c < width; ++c) {
      Pass& pass = passes_[c];
      if (plans_[c].use == ColumnUse::drop) {
        pass.action = Pass::skip;
        table_.dropped.push_back(names_.names[c]);
        continue;
      }
      pass.to = to++;
      if (plans_[c].any_words) pass.most_words = std::size_t{1} << 24;  // a float counts so far
      std::vector<long double> numbers;
      bool words = false;
      for (const Row& row : sample_) {
        if (c >= row.size()) continue;
        const Meaning m = meaning_of(row[c].text, format_.decimal);
        if (m.kind == Meaning::number) numbers.push_back(m.value);
        words = words || m.kind == Meaning::word;
      }
      if (plans_[c].use == ColumnUse::category || (words && !plans_[c].use))
        pass.action = Pass::word;
      else
        pass.shift = plans_[c].shift ? *plans_[c].shift : shift_for(numbers);
      collapsed_.push_back(pass.action == Pass::number ? collapse(numbers, pass.shift)
                                                       : std::pair<std::size_t, std::size_t>());
    }
    if (to == 0) bad("got no columns but dropped ones, expected at least one");
    width_ = to;
  }

  /// Empty and repeated names are errors, unless the column is dropped.
  void check_names() const {
    if (!table_.has_header) return;
    std::set<std::string> seen;
    std::string empty, twice;
    for (std::size_t c = 0; c < names_.names.size(); ++c) {
      if (plans_[c].use == ColumnUse::drop) continue;
      if (names_.names[c].empty())
        empty += to_text(empty.empty() ? "" : ", ", c);
      else if (!seen.insert(names_.names[c]).second && twice.size() < 200)
        twice += to_text(twice.empty() ? "" : ", ", brief(names_.names[c]), " (column ", c, ")");
    }
    if (!twice.empty())
      bad("got names that stand there twice: ", twice,
          ", expected each once. Hint: rename them, or drop columns by number");
    if (!empty.empty())
      bad("got columns without a name: ", brief(empty),
          " counted from 0, expected a name for each. Hint: drop them by number, or name them");
  }

  /// Takes the sample anew, from all parts of the file.
  void sample_rows() {
    const std::size_t most = std::clamp<std::size_t>(100000 / names_.names.size(), 2, 1024);
    if (pieces_.size() < 4) {  // rows from the whole file
      std::int64_t rows = 0;
      for (const Piece& piece : pieces_) rows += lines_of(piece.text, format_.newline);
      const auto step = std::max<std::int64_t>(1, rows / static_cast<std::int64_t>(most));
      sample_.clear();
      std::int64_t r = 0;
      for (const Piece& piece : pieces_)
        for (Cursor cursor(piece.text, format_); cursor.next_row(); ++r)
          if (r % step == 0)
            sample_.push_back(row_at(cursor, piece.text));
          else
            width_at(cursor);
      return;
    }
    const std::size_t each = std::max<std::size_t>(most / pieces_.size(), 1),
                      step = std::max<std::size_t>(pieces_.size() / most, 1);
    sample_.clear();
    for (std::size_t p = 0; p < pieces_.size(); p += step)
      for (Row& row : first_rows(pieces_[p].text, format_, each)) sample_.push_back(std::move(row));
  }

  /// How many different values numbers have, and how many are left in float.
  static std::pair<std::size_t, std::size_t> collapse(std::vector<long double> numbers,
                                                      double shift) {
    const auto different = [](auto& all) {
      std::sort(all.begin(), all.end());
      return static_cast<std::size_t>(std::unique(all.begin(), all.end()) - all.begin());
    };
    std::vector<float> left;
    for (const long double x : numbers) left.push_back(static_cast<float>(x - shift));
    return {different(numbers), different(left)};
  }
  /// A shift is needed if numbers that differ would be the same float, or if floats hold most of
  /// them with fewer than 16 bits for what differs. The median is near to most numbers.
  static double shift_for(std::vector<long double> numbers) {
    const auto [different, left] = collapse(numbers, 0);
    if (different < 2) return 0;
    std::sort(numbers.begin(), numbers.end());
    const std::size_t n = numbers.size();
    const long double middle = numbers[n / 2], spread = numbers[n - 1 - n / 20] - numbers[n / 20];
    const bool exact = std::all_of(numbers.begin(), numbers.end(), [](long double x) {
      return static_cast<long double>(static_cast<float>(x)) == x;
    });
    if (different == left && (exact || std::fabs(middle) < 256 * spread)) return 0;
    const auto shift = static_cast<double>(middle);
    return collapse(numbers, shift).second >= left ? shift : 0;
  }

  void read_all() {
    const auto n = static_cast<std::int64_t>(pieces_.size());
    std::vector<std::size_t> bad_bytes(pieces_.size(), std::string_view::npos);
    parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Piece& piece = pieces_[static_cast<std::size_t>(i)];
        // A row has at least a byte for each column.
        piece.rows =
            std::min(lines_of(piece.text, format_.newline),
                     static_cast<std::int64_t>(piece.text.size() / names_.names.size()) + 1);
        bad_bytes[static_cast<std::size_t>(i)] = not_utf8(piece.text);
      }
    });
    for (std::size_t i = 0; i < pieces_.size(); ++i)
      if (bad_bytes[i] != std::string_view::npos)
        bad("got a byte that is not UTF-8 in line ", line_of(pieces_[i].text.data() + bad_bytes[i]),
            ", expected UTF-8. Hint: if the file is in Latin-1, iconv -f LATIN1 -t UTF-8");
    if (not_utf8(text_.substr(0, static_cast<std::size_t>(body_.data() - text_.data()))) !=
        text_.npos)
      bad("got a byte that is not UTF-8 in the names, expected UTF-8. Hint: if the file is in "
          "Latin-1, iconv -f LATIN1 -t UTF-8");
    std::int64_t rows = 0;
    for (Piece& piece : pieces_) {
      piece.first_row = rows;
      rows += piece.rows;
    }
    table_.values = empty({rows, static_cast<std::int64_t>(width_)});
    read_pieces();
    // If lines were blank, rows move up.
    float* const values = table_.values.data_ptr<float>();
    std::int64_t at = 0;
    const auto w = static_cast<std::int64_t>(width_);
    for (Piece& piece : pieces_) {
      if (at != piece.first_row)
        std::memmove(values + at * w, values + piece.first_row * w,
                     static_cast<std::size_t>(piece.rows * w) * sizeof(float));
      piece.first_row = at;
      at += piece.rows;
    }
    if (at == 0) bad("got no rows, expected at least one");
    if (at < rows) table_.values = table_.values.narrow(0, 0, at);
  }

  void read_pieces() {
    float* const values = table_.values.data_ptr<float>();
    parallel_for(static_cast<std::int64_t>(pieces_.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     Piece& piece = pieces_[static_cast<std::size_t>(i)];
                     piece.columns.resize(names_.names.size());
                     piece.rows = 0;
                     read(piece, format_, passes_, width_,
                          values + piece.first_row * static_cast<std::int64_t>(width_));
                   }
                 });
    for (const Piece& piece : pieces_) {
      if (piece.wrong_at == nullptr) continue;
      const std::size_t line = line_of(piece.wrong_at), width = names_.names.size();
      if (piece.wrong_column < width)
        bad("got '", piece.wrong, "' in line ", line, ", ", in_column(piece.wrong_column),
            ", expected a finite number");
      if (!piece.wrong.empty())
        bad("got a quote without an end in line ", line, ", expected one that ends");
      const char* const known = name_of(format_.separator);
      bad("got ", piece.fields, " fields in line ", line, ", expected ", width,
          ". Hint: is the separator ",
          known ? std::string(known) : to_text("'", format_.separator, "'"), "?");
    }
  }

  /// The first word, or gap, of column c. Null if there is none.
  const char* first_of(std::size_t c, const char* PieceColumn::*member) const {
    for (const Piece& piece : pieces_)
      if (piece.columns[c] && piece.columns[c].get()->*member)
        return piece.columns[c].get()->*member;
    return nullptr;
  }
  Origin origin_of(const char* at) const {
    if (at == nullptr) return {};
    Cursor cursor(text_.substr(static_cast<std::size_t>(at - text_.data())), format_);
    return {line_of(at), brief(cursor.field())};
  }

  std::int64_t sum_of(std::size_t c, std::int64_t PieceColumn::*member) const {
    std::int64_t sum = 0;
    for (const Piece& piece : pieces_)
      if (piece.columns[c]) sum += piece.columns[c].get()->*member;
    return sum;
  }

  /// Columns whose first words stand behind the sample are read once more, as words.
  void reread_words() {
    std::vector<Pass> again = passes_;
    bool any = false;
    for (std::size_t c = 0; c < names_.names.size(); ++c) {
      const bool words = passes_[c].action == Pass::number && sum_of(c, &PieceColumn::words) > 0;
      if (words && plans_[c].use == ColumnUse::number) refuse_word(c);
      any = any || words;
      again[c].action = words ? Pass::word : Pass::skip;
    }
    if (!any) return;
    std::vector<std::vector<std::unique_ptr<PieceColumn>>> before;
    for (Piece& piece : pieces_) before.push_back(std::exchange(piece.columns, {}));
    const std::vector<Pass> first = std::exchange(passes_, again);
    read_pieces();
    for (std::size_t c = 0; c < names_.names.size(); ++c) {
      if (again[c].action == Pass::word) continue;
      passes_[c] = first[c];
      for (std::size_t p = 0; p < pieces_.size(); ++p)
        pieces_[p].columns[c] = std::move(before[p][c]);
    }
  }

  [[noreturn]] void refuse_word(std::size_t c, const std::string& others = "") const {
    const Origin word = origin_of(first_of(c, &PieceColumn::first_word));
    const char* const disguise = disguise_of(word.text);
    const bool other_mark =
        disguise != nullptr && std::string_view(disguise).find("decimal") != std::string_view::npos;
    bad("got '", word.text, "' in line ", word.line, ", ", in_column(c),
        ", expected a finite number", others,
        other_mark ? to_text(", with a decimal ", format_.decimal == ',' ? "comma" : "point",
                             ". Hint: the option decimal says what the numbers have")
        : disguise != nullptr
            ? ". Hint: write plain numbers into the file, as days for dates, or drop the column"
            : ". Hint: fill it in, read the column as a category, or drop it");
  }

  /// Makes one dictionary of each column of words: sorted, as numbers if they all are.
  void order_words() {
    for (std::size_t c = 0; c < names_.names.size(); ++c) {
      if (passes_[c].action == Pass::skip) continue;
      Column column{names_.names[c], static_cast<std::int64_t>(c)};
      column.shift = passes_[c].shift;
      column.gaps = sum_of(c, &PieceColumn::gaps);
      if (passes_[c].action == Pass::word) {
        column.use = ColumnUse::category;
        order(c, column);
      }
      table_.columns.push_back(std::move(column));
    }
  }

  void order(std::size_t c, Column& column) {
    if (plans_[c].any_words) return list(c, column);
    std::map<std::string_view, std::int64_t> counts;
    bool overflows = false;
    for (const Piece& piece : pieces_) {
      if (!piece.columns[c]) continue;
      const PieceColumn& part = *piece.columns[c];
      overflows = overflows || part.overflows;
      for (std::size_t i = 0;
           i < part.dictionary.words.size() && counts.size() <= passes_[c].most_words; ++i)
        counts[*part.dictionary.words[i]] += part.dictionary.counts[i];
    }
    if (overflows || counts.size() > passes_[c].most_words) {
      if (plans_[c].use == ColumnUse::category)
        bad("got more than ", kMostWords, " different words in ", in_column(c),
            ", expected fewer of a category");
      column.note = to_text("more than ", kMostWords, " different words");
      table_.values.narrow(1, static_cast<std::int64_t>(passes_[c].to), 1).fill_(NAN);
      return;  // words stay empty
    }
    std::int64_t numbers = 0, words = 0, strange = 0;
    const char* disguise = nullptr;
    std::string_view example;
    std::vector<std::pair<double, std::string_view>> sorted;
    for (const auto& [word, count] : counts) {
      const Meaning m = meaning_of(word, format_.decimal);
      (m.kind == Meaning::number ? numbers : words) += count;
      sorted.emplace_back(m.value, word);
      if (const char* seems = disguise_of(word)) {
        ++strange;
        if (disguise == nullptr) disguise = seems, example = word;
      }
    }
    if (!plans_[c].use && words > 0 && words < numbers)
      refuse_word(c, to_text(" as in ", numbers, " other rows"));
    if (!plans_[c].use && 2 * strange > static_cast<std::int64_t>(counts.size()))
      bad("got ", disguise, ", '", brief(example), "', in ", in_column(c),
          ", expected numbers or words. Hint: drop the column, write plain numbers into the file, "
          "as "
          "days for dates, or say that it is a category");
    if (words == 0) std::sort(sorted.begin(), sorted.end());  // 9 before 10
    std::unordered_map<std::string_view, float> place;
    for (const auto& [value, word] : sorted) {
      place.emplace(word, static_cast<float>(column.words.size()));
      column.words.emplace_back(word);
    }
    renumber(c, place);
  }

  /// The words of a column that is text, in the order of the file.
  void list(std::size_t c, Column& column) {
    std::unordered_map<std::string_view, float> place;
    for (const Piece& piece : pieces_)
      if (piece.columns[c])
        for (const std::string* word : piece.columns[c]->dictionary.words)
          if (place.emplace(*word, static_cast<float>(column.words.size())).second)
            column.words.push_back(*word);
    renumber(c, place);
  }

  /// Replaces the places of words in the dictionary of each piece by those in the whole column.
  void renumber(std::size_t c, const std::unordered_map<std::string_view, float>& place) {
    float* const values = table_.values.data_ptr<float>();
    const auto w = static_cast<std::int64_t>(width_);
    parallel_for(
        static_cast<std::int64_t>(pieces_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const Piece& piece = pieces_[static_cast<std::size_t>(i)];
            if (!piece.columns[c]) continue;
            std::vector<float> to;
            for (const std::string* word : piece.columns[c]->dictionary.words)
              to.push_back(place.at(*word));
            float* x = values + piece.first_row * w + static_cast<std::int64_t>(passes_[c].to);
            for (std::int64_t r = 0; r < piece.rows; ++r, x += w)
              if (!std::isnan(*x)) *x = to[static_cast<std::size_t>(*x)];
          }
        });
  }

  void finish() {
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      Column& column = table_.columns[i];
      const auto [different, left] = collapsed_[i];
      if (left < different)
        column.note = to_text("of ", different, " different numbers looked at, ", left,
                              " remain: the others differ by less than a float can tell");
      else if (column.shift != 0)
        column.note =
            to_text("less ", column.shift, ", since floats cannot tell such numbers apart");
      const auto& w = column.words;
      if (w.size() == 2) {
        std::string a = w[0], b = w[1];
        for (std::string* s : {&a, &b})
          for (char& ch : *s) ch = ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 32) : ch;
        if ((a == "no" && b == "yes") || (a == "false" && b == "true") || (a == "f" && b == "t") ||
            (a == "n" && b == "y"))
          column.note = to_text("1 for ", w[1]);
      }
    }
  }

  std::string_view text_, body_, row_of_names_;
  const TableOptions& options_;
  Place place_;
  Format format_;
  Table table_;
  Names names_;
  std::vector<Plan> plans_;
  std::vector<Row> sample_;
  std::vector<Piece> pieces_;
  std::vector<Pass> passes_;
  std::vector<std::pair<std::size_t, std::size_t>> collapsed_;  // by column of the result
  std::size_t width_ = 0;
  bool hash_header_ = false;  // the first name begins with a '#' that is not part of it
};

}  // namespace

std::size_t Names::find(const std::string& wanted, const char* what) const {
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  if (is_whole(wanted) && number_of(wanted) < names.size()) return number_of(wanted);
  const std::string near = nearest_match(wanted, names);
  fail<ValueError>("table", table, ": got ", what, " '", brief(wanted),
                   "', expected a name of the header or a number in [0, ", names.size() - 1, "]",
                   near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
}

Scan scan(std::string_view text, const TableOptions& options, const std::string& name,
          const Choose& choose, const Place& place) {
  return Scanner(text, options, name, place).run(choose);
}

}  // namespace descent::data::detail
