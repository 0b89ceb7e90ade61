// Choices: options that take a name from a list, such as --activation relu.
//
// Each such option has a table with one row for each name. A row is any struct with the members
// `name` and `help`, and usually a factory. The list in --help, the check, the error text and the
// factory all read the same table. To add a choice, add a row.
#pragma once

#include "run/text.h"

#include <descent/core/error.h>
#include <algorithm>
#include <ranges>

namespace app {

/// A wrong command line. The program ends with exit code 2.
struct UsageError : descent::Error {
  using Error::Error;
};

/// The names of all rows, in the order of the table.
template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

/// The row with this name, or null if there is none.
template <class Table>
const std::ranges::range_value_t<Table>* find_row(const Table& table, const std::string& name) {
  const auto row = std::ranges::find_if(table, [&](const auto& r) { return name == r.name; });
  return row == table.end() ? nullptr : &*row;
}

/// What is wrong with a name that no row has: "got 'x', expected one of a, b. Hint: did you mean
/// 'a'?".
inline std::string refusal(const std::string& name, const std::vector<std::string>& known) {
  return descent::to_text("got '", name, "', expected one of ", joined(known),
                          did_you_mean(name, known));
}

/// The row with this name. Throws UsageError, in the name of `option`, if there is none.
template <class Table>
const auto& choose(const char* option, const Table& table, const std::string& name) {
  const auto* row = find_row(table, name);
  if (row == nullptr) descent::fail<UsageError>(option, refusal(name, names_of(table)));
  return *row;
}

/// The table as lines of --help, under a title.
template <class Table>
std::string help_of(const std::string& title, const Table& table) {
  std::string lines = title + ":\n";
  for (const auto& row : table) {
    std::string line = descent::to_text("  ", row.name);
    line.resize(std::max<std::size_t>(line.size() + 2, 16), ' ');
    lines += line + row.help + "\n";
  }
  return lines;
}

}  // namespace app
