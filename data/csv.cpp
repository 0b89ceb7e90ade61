#include <descent/core/create.h>
#include <descent/core/files.h>
#include <descent/core/text.h>
#include <descent/data/files.h>
#include <descent/data/reading/classes.h>
#include <descent/data/reading/scan.h>

#include <algorithm>

namespace descent::data {
namespace {

/// Finds the columns that the options name, and says how each column is read. Returns the place of
/// the target.
std::size_t choose(const CsvOptions& options, const std::string& name, const detail::Names& names,
                   std::vector<detail::Plan>& plans) {
  const auto width = static_cast<std::int64_t>(plans.size());
  if (width < 2)
    fail<FileError>("csv", name,
                    ": got 1 column, expected features and a target. Hint: is the separator "
                    "a comma, semicolon, tab, bar or blank?");
  std::size_t target = 0;
  if (const auto* wanted = std::get_if<std::string>(&options.target)) {
    target = names.find(*wanted, "the target");
  } else {
    const std::int64_t place = std::get<std::int64_t>(options.target);
    if (place < -width || place >= width)
      fail<ValueError>("csv", name, ": got target column ", place, ", expected one in [", -width,
                       ", ", width - 1, "]");
    target = static_cast<std::size_t>(place < 0 ? place + width : place);
  }
  for (detail::Plan& plan : plans) plan.use = ColumnUse::number;
  for (const std::string& column : options.drop) {
    const std::size_t c = names.find(column, "the column to drop");
    if (c == target)
      fail<ValueError>("csv", name, ": got the target '", brief(column),
                       "' to drop, expected another column");
    plans[c].use = ColumnUse::drop;
  }
  if (std::count_if(plans.begin(), plans.end(),
                    [](const detail::Plan& p) { return p.use == ColumnUse::drop; }) == width - 1)
    fail<FileError>("csv", name, ": got no columns but the target, expected at least one feature");
  plans[target].use = options.task == Task::classification ? std::optional(ColumnUse::category)
                      : options.task == Task::regression   ? std::optional(ColumnUse::number)
                                                           : std::nullopt;
  return target;
}

/// The values of column c of the table, as the file has them.
std::vector<double> numbers_of(const Table& table, std::size_t c) {
  const auto width = static_cast<std::int64_t>(table.columns.size());
  const float* x = table.values.data_ptr<float>() + c;
  std::vector<double> all(static_cast<std::size_t>(table.rows()));
  for (double& v : all) v = *x + table.columns[c].shift, x += width;
  return all;
}

/// Takes column c out of the table and moves the others together, in the memory of the table.
Tensor without_column(Table& table, std::size_t c) {
  const std::size_t width = table.columns.size();
  const std::int64_t n = table.rows();
  float* const values = table.values.data_ptr<float>();
  float* to = values;
  for (std::int64_t r = 0; r < n; ++r)
    for (std::size_t k = 0; k < width; ++k) {
      const float x = values[static_cast<std::size_t>(r) * width + k];
      const double shift = table.columns[k].shift;
      if (k != c) *to++ = shift == 0 ? x : static_cast<float>(x + shift);
    }
  const auto d = static_cast<std::int64_t>(width) - 1;
  return table.values.flatten().narrow(0, 0, n * d).reshape({n, d});
}

Dataset dataset_of(detail::Scan scan, std::size_t target, const CsvOptions& options) {
  Table& table = scan.table;
  std::size_t at = 0;  // the target among the columns that were kept
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto c = static_cast<std::size_t>(table.columns[i].place);
    if (c == target) at = i;
    if (table.columns[i].gaps == 0) continue;
    const detail::Origin& gap = scan.gaps[c];
    if (c == target)
      fail<FileError>("csv", table.name, ": got the target '", gap.text, "' in line ", gap.line,
                      ", expected a class or a number. Hint: fill in what is missing");
    fail<FileError>("csv", table.name, ": got '", gap.text, "' in line ", gap.line, ", column ", c,
                    " counted from 0 (", brief(table.columns[i].name),
                    "), expected a finite number. Hint: fill it in, or drop the column");
  }
  Dataset d;
  d.name = table.name;
  const Column& column = table.columns[at];
  std::vector<double> y = numbers_of(table, at);
  if (column.use == ColumnUse::category) {
    if (column.words.empty())
      fail<FileError>("csv", table.name, ": got a target of ", column.note,
                      ", expected fewer "
                      "classes. Hint: name the column of the target, or say that the task is "
                      "regression");
    d.classes = detail::with_names(table, column, column.words);
  } else if (options.task == Task::automatic) {
    if (detail::NumberClasses classes = detail::classes_of(table, column, true); !classes.empty()) {
      for (double& v : y)
        v = static_cast<double>(classes.find(static_cast<float>(v - column.shift)));
      d.classes = std::move(classes.names);
    }
  }
  if (table.has_header)
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      if (i != at) d.features.push_back(table.columns[i].name);
  d.x = without_column(table, at);
  const auto n = static_cast<std::int64_t>(y.size());
  d.y = d.classes.empty() ? empty({n, 1}) : empty({n}, kInt64);
  for (std::size_t r = 0; r < y.size(); ++r)
    if (d.classes.empty())
      d.y.data_ptr<float>()[r] = static_cast<float>(y[r]);
    else
      d.y.data_ptr<std::int64_t>()[r] = static_cast<std::int64_t>(y[r]);
  return d;
}

detail::Scan scan(std::string_view text, const CsvOptions& options, const std::string& name,
                  std::size_t& target) {
  return detail::scan(
      text, {.separator = options.separator, .decimal = options.decimal, .header = options.header},
      name, [&](const detail::Names& names, std::vector<detail::Plan>& plans) {
        target = choose(options, name, names, plans);
      });
}

}  // namespace

Dataset parse_csv(std::string_view text, const CsvOptions& options, const std::string& name) {
  std::size_t target = 0;
  detail::Scan read = scan(text, options, name, target);
  return dataset_of(std::move(read), target, options);
}

Dataset csv(const std::string& path, const CsvOptions& options) {
  std::size_t target = 0;
  // The text is gone before the data set is made.
  detail::Scan read = scan(detail::TextOf(path).view(), options, path, target);
  return dataset_of(std::move(read), target, options);
}

}  // namespace descent::data
