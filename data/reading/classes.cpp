#include <descent/core/text.h>
#include <descent/data/reading/classes.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace descent::data::detail {

std::string text_of(float value, double shift) {
  const double most = 4e18;  // the sum fits into 64 bits
  if (value == std::floor(value) && shift == std::floor(shift) && std::fabs(shift) < most &&
      std::fabs(value) < most)
    return std::to_string(static_cast<std::int64_t>(shift) + static_cast<std::int64_t>(value));
  return to_text(value + shift);
}

std::int64_t NumberClasses::find(float value) const {
  const auto at = std::lower_bound(values.begin(), values.end(), value);
  return at == values.end() || *at != value ? -1 : at - values.begin();
}

std::vector<std::string> with_names(const Table& table, const Column& column,
                                    std::vector<std::string> classes) {
  if (&column != &table.columns.back() || classes.size() != table.class_names.size())
    return classes;
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (classes[i] != std::to_string(i)) return classes;
  return table.class_names;
}

NumberClasses classes_of(const Table& table, const Column& column, bool automatic) {
  const std::size_t most = automatic ? 50 : 1000;
  const std::int64_t n = table.rows(), width = std::ssize(table.columns);
  const float* x = table.values.data_ptr<float>() + (&column - table.columns.data());
  std::set<float> values;
  for (std::int64_t r = 0; r < n; ++r, x += width) {
    const double number = *x + column.shift;
    if (automatic && number != std::floor(number)) return {};
    values.insert(*x);
    if (values.size() > most) return {};
  }
  if (automatic && 2 * std::ssize(values) > n) return {};
  NumberClasses classes{{values.begin(), values.end()}, {}};
  for (const float v : classes.values) classes.names.push_back(text_of(v, column.shift));
  classes.names = with_names(table, column, std::move(classes.names));
  return classes;
}

}  // namespace descent::data::detail
