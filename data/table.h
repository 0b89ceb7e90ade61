// Tables as people have them: text files with numbers, words and gaps.
//
//   const data::Table houses = data::read_table("houses.csv");
//   std::cout << houses.summary();  // how each column was read
//
// read_table() finds out how the text is cut: separator, header, decimal point or comma. It decides
// for each column whether it holds numbers or words, and says so. What could be meant in two ways
// is an error that names the option which decides.
#pragma once

#include <descent/core/tensor.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace descent::data {

/// How a column is read: as numbers, as words, or not at all.
enum class ColumnUse { number, category, drop };

/// Options of read_table(). Columns are named by the header, or by their number, which counts from
/// 0. If a name of the header is such a number too, the name counts.
struct TableOptions {
  /// A comma, semicolon, tab or bar, or ' ' for any number of blanks. 0: read_table() finds out.
  char separator = '\0';
  /// '.' or ','. 0: read_table() finds out.
  char decimal = '\0';
  /// Whether the first row holds names. If there is no value, read_table() finds out.
  std::optional<bool> header = {};
  /// How to read these columns. The words of a column that is read as numbers are an error.
  std::map<std::string, ColumnUse> columns = {};
};

/// A column of a table.
struct Column {
  std::string name;                   ///< from the header, or the number of the column
  std::int64_t place = 0;             ///< its number in the file, from 0
  ColumnUse use = ColumnUse::number;  ///< number or category
  /// Of a category: its words, sorted. The value of a field is the place of its word.
  std::vector<std::string> words = {};
  /// What was subtracted from each number before it became a float. It is 0 unless numbers that
  /// differ, such as times in nanoseconds, would be the same float.
  double shift = 0;
  std::int64_t gaps = 0;  ///< how many fields hold nothing, or NA, N/A, nan, null or '?'
  std::string note = {};  ///< what somebody who reads the table should know; mostly empty
};

/// A table in memory.
struct Table {
  std::string name;             ///< for messages
  std::vector<Column> columns;  ///< C, without those that were dropped
  /// (N, C) float32. A gap is NaN; a word is its place in Column::words; a number is what the file
  /// says, less Column::shift.
  Tensor values;
  std::vector<std::string> dropped = {};      ///< names of columns that were left out
  std::vector<std::string> class_names = {};  ///< of the last column, in scikit-learn's own files
  bool has_header = false;                    ///< whether the first row held names
  char separator = ',';                       ///< what stood between fields
  char decimal = '.';                         ///< what stood in numbers: a point or a comma

  std::int64_t rows() const { return values.size(0); }  ///< N
  /// The place of a column in `columns`, by its name in the header or, if no column has this name,
  /// by its number in the file. Throws ValueError with the nearest name if there is none. `what`
  /// names in the error what was looked for, as "the target".
  std::size_t find(const std::string& wanted, const char* what = "the column") const;
  /// Takes a column of numbers out of the table: (N) float64. Throws the errors of find(), and
  /// FileError if the column holds words.
  Tensor take(const std::string& wanted, const char* what = "the column");
  /// A table for people: a line for each column with its name, how it was read, its gaps and notes.
  std::string summary() const;
};

/// Reads a table from a file, which may be gzipped. Separators are commas, semicolons, tabs, bars
/// or blanks. Fields in double quotes may hold separators, doubled quotes and line breaks. Lines
/// end with LF, CRLF or CR. The text must be UTF-8. Lines at the top that begin with '#' are left
/// out. A path of "-" reads the standard input; pipes are read like files.
///
/// A column holds numbers if every field is a number or a gap. It holds words if at least half of
/// its fields are words. Anything between is an error.
///
/// Throws FileError, with line and column, for: a row of another length, a quote without an end, a
/// number that no float can hold, words among numbers, dates, percentages, sums of money, numbers
/// with units or thousands separators, empty or repeated names, another format, no rows. Throws
/// ValueError for a column of the options that is not in the table.
Table read_table(const std::string& path, const TableOptions& options = {});
/// Does what read_table() does, but with text. Messages call the table `name`.
Table parse_table(std::string_view text, const TableOptions& options = {},
                  const std::string& name = "table");

}  // namespace descent::data
