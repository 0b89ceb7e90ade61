// When the numbers of a target are classes. Internal: csv() and Schema::fit() share it.
#pragma once

#include <descent/data/table.h>

namespace descent::data::detail {

/// The classes of a column of numbers.
struct NumberClasses {
  std::vector<float> values;       ///< sorted, as Table::values has them
  std::vector<std::string> names;  ///< in the same order

  bool empty() const { return values.empty(); }
  /// The class of a value, or −1.
  std::int64_t find(float value) const;
};
/// If `automatic` is true, numbers are classes if there are at most 50 different whole ones and
/// numbers repeat; otherwise all numbers are classes. The result is empty if the numbers are no
/// classes, or more than a thousand.
NumberClasses classes_of(const Table& table, const Column& column, bool automatic);

/// The class names of scikit-learn's own files if `classes` are those of the last column, numbered
/// from 0; otherwise `classes`.
std::vector<std::string> with_names(const Table& table, const Column& column,
                                    std::vector<std::string> classes);

/// A value of a column, with its shift, as text. A whole number keeps all its digits.
std::string text_of(float value, double shift);

}  // namespace descent::data::detail
