#include <descent/autograd/ops/arithmetic.h>
#include <descent/autograd/ops/shape.h>
#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/parallel.h>
#include <descent/core/text.h>
#include <descent/data/reading/classes.h>
#include <descent/data/reading/scan.h>
#include <descent/data/schema.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

namespace descent::data {
namespace {

/// Columns of a table by name.
const Column* column_of(const Table& table, const std::string& name) {
  for (const Column& c : table.columns)
    if (c.name == name) return &c;
  return nullptr;
}

/// The table comes from a file that the user gave, so what is missing is an error of the file.
[[noreturn]] void fail_missing(const std::string& table, const std::string& wanted,
                               const std::vector<std::string>& names, bool has_header) {
  const std::string near = nearest_match(wanted, names);
  fail<FileError>("schema", table, ": lacks the column '", brief(wanted),
                  "', expected each that the model was trained with",
                  !has_header     ? ". Hint: the first row must hold the names"
                  : !near.empty() ? to_text(". Hint: is it '", near, "'?")
                                  : "");
}

/// The values of a column at some rows, as floats.
std::vector<float> values_at(const Table& table, const Column& column,
                             const std::vector<std::int64_t>& rows) {
  const auto width = static_cast<std::int64_t>(table.columns.size());
  const float* x = table.values.data_ptr<float>() + (&column - table.columns.data());
  std::vector<float> values;
  values.reserve(rows.size());
  for (const std::int64_t r : rows) values.push_back(x[r * width]);
  return values;
}

/// How often each word of a category stands in these values.
std::vector<std::int64_t> counts_of(const Column& column, const std::vector<float>& values) {
  std::vector<std::int64_t> counts(column.words.size());
  for (const float x : values)
    if (!std::isnan(x)) ++counts[static_cast<std::size_t>(x)];
  return counts;
}

/// Mean and deviation of numbers without gaps, in double. The deviation is 0 if all are equal.
std::pair<double, double> moments(const std::vector<double>& numbers) {
  const auto n = static_cast<double>(numbers.size());
  // Numbers are counted from the first: a mean far from 0 takes no digits of the deviation.
  const double first = numbers.empty() ? 0 : numbers[0];
  double sum = 0, squares = 0;
  for (const double x : numbers) sum += x - first;
  const double mean = n > 0 ? sum / n : 0;
  for (const double x : numbers) squares += (x - first - mean) * (x - first - mean);
  return {first + mean, n > 0 ? std::sqrt(squares / n) : 0};
}

constexpr std::size_t kMostEmbedded = 1000;  // words
constexpr std::int64_t kEmbedding = 8;       // numbers that stand for a word

/// Measures a column of words. Returns why it carries nothing, or nothing.
const char* fit_words(Feature& f, const Column& column, const std::vector<float>& values,
                      std::int64_t most, bool keep) {
  if (column.words.empty()) return "more different words than a category can have";
  const std::vector<std::int64_t> counts = counts_of(column, values);
  std::vector<std::size_t> used;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0) used.push_back(i);
  const auto present = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (used.empty()) return "only gaps";
  if (used.size() == 1 && !f.has_gaps && !keep) return "constant";
  if (static_cast<std::int64_t>(used.size()) == present && used.size() > 16 && !keep)
    return "words that differ in every row";
  // The most frequent words; of equally frequent ones the first.
  std::stable_sort(used.begin(), used.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  const std::string most_frequent = column.words[used[0]];
  if (static_cast<std::int64_t>(used.size()) > most) {
    std::erase_if(used, [&](std::size_t i) { return counts[i] < 2; });
    if (used.size() < 2) return "words that differ in almost every row";
    used.resize(std::min(used.size(), kMostEmbedded));
    f.embedding = kEmbedding;
  }
  std::sort(used.begin(), used.end());
  for (const std::size_t i : used) f.words.push_back(column.words[i]);
  f.fill = static_cast<double>(std::find(f.words.begin(), f.words.end(), most_frequent) -
                               f.words.begin());
  return nullptr;
}

/// Measures a column of numbers. Returns why it carries nothing, or nothing.
const char* fit_numbers(Feature& f, const Column& column, const std::vector<float>& values,
                        const SchemaOptions& o, bool keep) {
  f.shift = column.shift;
  std::vector<double> numbers;
  for (const float x : values)
    if (!std::isnan(x)) numbers.push_back(x);
  if (numbers.empty()) return "only gaps";
  const auto [mean, deviation] = moments(numbers);
  if (deviation == 0 && !f.has_gaps && !keep) return "constant";
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  f.fill = *middle;
  if (numbers.size() % 2 == 0) f.fill = (f.fill + *std::max_element(numbers.begin(), middle)) / 2;
  if (o.robust) {
    const auto at = [&](std::size_t quarter) {
      const auto place =
          numbers.begin() + static_cast<std::ptrdiff_t>(quarter * (numbers.size() - 1) / 4);
      std::nth_element(numbers.begin(), place, numbers.end());
      return *place;
    };
    const double quartiles = at(3) - at(1), range = at(4) - at(0);
    f.mean = f.fill;
    f.deviation = quartiles > 0 ? quartiles : range > 0 ? range / 2 : 1;
    f.smooth_clip = true;
  } else if (o.standardize) {
    f.mean = mean, f.deviation = deviation > 0 ? deviation : 1;
  }
  return nullptr;
}

Target fit_target(const Table& table, const Column& column, const SchemaOptions& o,
                  const std::vector<std::int64_t>& rows) {
  Target t;
  t.name = column.name;
  t.shift = column.shift;
  if (column.gaps > 0)
    fail<FileError>("schema", table.name, ": got ", column.gaps, " gaps in the target '",
                    column.name, "', expected none. Hint: leave these rows out, or fill them in");
  const auto bad_task = [&](const char* expected) {
    fail<FileError>("schema", table.name, ": got the target '", column.name, "', expected ",
                    expected);
  };
  if (column.use == ColumnUse::category) {
    if (o.task == Task::regression) bad_task("numbers for a regression, but it holds words");
    if (column.words.empty()) bad_task("at most 262144 classes");
    t.classes = detail::with_names(table, column, column.words);
  } else {
    if (o.task != Task::regression)
      t.classes = detail::classes_of(table, column, o.task == Task::automatic).names;
    if (t.classes.empty() && o.task == Task::classification)
      bad_task("at most 1000 classes of numbers. Hint: read the column as a category");
  }
  if (t.classes.size() == 1) bad_task("one that differs between rows. Hint: name another column");
  if (!t.classes.empty()) return t;
  std::vector<double> numbers;
  for (const float x : values_at(table, column, rows)) numbers.push_back(x);
  const auto [mean, deviation] = moments(numbers);
  if (deviation == 0) bad_task("one that differs between rows. Hint: name another column");
  if (o.scale_target) t.mean = mean, t.deviation = deviation;
  return t;
}

/// For each word of a table, its place among the words that a schema knows, or −1.
std::vector<std::int64_t> places_of(const std::vector<std::string>& words,
                                    const std::vector<std::string>& known) {
  std::unordered_map<std::string_view, std::int64_t> at;
  for (const std::string& w : known) at.emplace(w, std::ssize(at));
  std::vector<std::int64_t> places;
  for (const std::string& w : words) {
    const auto found = at.find(w);
    places.push_back(found == at.end() ? -1 : found->second);
  }
  return places;
}

}  // namespace

std::int64_t Feature::width() const {
  const auto values = use == ColumnUse::number || embedding > 0 ? 1
                      : words.size() <= 2                       ? 1
                                          : static_cast<std::int64_t>(words.size());
  return values + (has_gaps ? 1 : 0);
}

void Feature::encode_any(double value, float* inputs) const {
  const bool gap = std::isnan(value);
  if (gap) value = fill;
  if (use == ColumnUse::number) {
    const double z = (value - mean) / deviation;
    *inputs++ = static_cast<float>(smooth_clip ? z / std::sqrt(1 + z * z / 9) : z);
  } else if (embedding > 0) {
    const bool known = value >= 0 && value < static_cast<double>(words.size());
    *inputs++ = known ? static_cast<float>(std::floor(value) + 1) : 0;
  } else if (words.size() <= 2) {
    *inputs++ = value < 0 && words.size() == 2                   ? 0.5F
                : value == static_cast<double>(words.size() - 1) ? 1.0F
                                                                 : 0.0F;
  } else {
    std::fill_n(inputs, words.size(), 0.0F);
    if (value >= 0 && value < static_cast<double>(words.size()))
      inputs[static_cast<std::size_t>(value)] = 1;
    inputs += words.size();
  }
  if (has_gaps) *inputs = gap ? 1.0F : 0.0F;
}

Table table_of(const Dataset& d) {
  Table table;
  table.name = d.name;
  table.has_header = !d.features.empty();
  for (std::int64_t c = 0; c < d.num_features(); ++c)
    table.columns.push_back(
        {table.has_header ? d.features[static_cast<std::size_t>(c)] : std::to_string(c), c});
  Column target{table.has_header ? "target" : std::to_string(d.num_features()), d.num_features()};
  if (d.is_classification()) {
    target.use = ColumnUse::category;
    target.words = d.classes;
  }
  table.columns.push_back(target);
  table.values = cat({d.x.to(kFloat32), d.y.to(kFloat32).reshape({d.size(), 1})}, 1);
  return table;
}

std::int64_t Schema::num_inputs() const {
  std::int64_t n = 0;
  for (const Feature& f : features) n += f.width();
  return n;
}

std::int64_t Schema::num_outputs() const {
  return target.classes.empty() ? 1 + std::ssize(more_targets) : std::ssize(target.classes);
}

std::vector<Target> Schema::all_targets() const {
  std::vector<Target> all{target};
  all.insert(all.end(), more_targets.begin(), more_targets.end());
  return all;
}

Schema Schema::fit(const Table& table, const SchemaOptions& options, const Tensor& rows) {
  Schema schema;
  schema.has_header = table.has_header;
  schema.decimal = table.decimal;
  std::vector<std::int64_t> index;
  if (rows.defined()) {
    index = rows.to_vector<std::int64_t>();
  } else {
    index.resize(static_cast<std::size_t>(table.rows()));
    std::iota(index.begin(), index.end(), 0);
  }
  const std::size_t target =
      options.target.empty() ? table.columns.size() - 1 : table.find(options.target, "the target");
  std::vector<const Column*> predicted{&table.columns[target]};
  SchemaOptions own = options;
  if (!options.more_targets.empty()) own.task = Task::regression;
  schema.target = fit_target(table, *predicted[0], own, index);
  for (const std::string& wanted : options.more_targets) {
    const Column* const column = &table.columns[table.find(wanted, "the target")];
    if (std::find(predicted.begin(), predicted.end(), column) != predicted.end())
      fail<ValueError>("schema", table.name, ": got the target '", brief(column->name),
                       "' twice, expected different ones");
    predicted.push_back(column);
    schema.more_targets.push_back(fit_target(table, *column, own, index));
  }
  for (const Column& column : table.columns) {
    if (std::find(predicted.begin(), predicted.end(), &column) != predicted.end()) continue;
    Feature f{column.name, column.use};
    const std::vector<float> values = values_at(table, column, index);
    f.has_gaps = std::any_of(values.begin(), values.end(), [](float x) { return std::isnan(x); });
    const bool keep = options.keep_all || std::find(options.keep.begin(), options.keep.end(),
                                                    column.name) != options.keep.end();
    const char* why = f.use == ColumnUse::number
                          ? fit_numbers(f, column, values, options, keep)
                          : fit_words(f, column, values, options.most_words, keep);
    if (why == nullptr)
      schema.features.push_back(std::move(f));
    else
      schema.left_out.push_back(to_text(column.name, ": ", why));
  }
  if (schema.features.empty())
    fail<FileError>("schema", table.name,
                    ": got no feature that differs between rows, expected at "
                    "least one beside the target '",
                    schema.target.name, "'");
  return schema;
}

Tensor Schema::inputs(const Table& table, std::int64_t* unseen) const {
  struct Source {
    const Feature* f;
    const float* from;
    double shift;
    std::int64_t to;
    std::vector<std::int64_t> places;
  };
  std::vector<Source> sources;
  std::vector<std::string> names;
  for (const Column& c : table.columns) names.push_back(c.name);
  std::int64_t to = 0;
  for (const Feature& f : features) {
    const Column* const column = column_of(table, f.name);
    if (column == nullptr) fail_missing(table.name, f.name, names, table.has_header || !has_header);
    if (f.use == ColumnUse::category && column->words.empty() && column->gaps < table.rows())
      fail<FileError>("schema", table.name, ": got ", column->note, " in the column '",
                      brief(f.name), "', expected words as in training");
    if (column->use != f.use)
      fail<FileError>("schema", table.name, ": got ",
                      column->use == ColumnUse::number ? "numbers" : "words", " in the column '",
                      f.name, "', expected ", f.use == ColumnUse::number ? "numbers" : "words",
                      " as in training. Hint: Schema::read() reads a table as this one");
    sources.push_back({&f, table.values.data_ptr<float>() + (column - table.columns.data()),
                       column->shift - f.shift, to, places_of(column->words, f.words)});
    to += f.width();
  }
  const std::int64_t n = table.rows(), d = num_inputs(),
                     stride = static_cast<std::int64_t>(table.columns.size());
  if (unseen != nullptr)
    for (const Source& s : sources)
      if (std::count(s.places.begin(), s.places.end(), -1) > 0)
        for (std::int64_t r = 0; r < n; ++r) {
          const float word = s.from[r * stride];
          *unseen += !std::isnan(word) && s.places[static_cast<std::size_t>(word)] < 0;
        }
  Tensor x = empty({n, d});
  float* const out = x.data_ptr<float>();
  parallel_for(n, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (const Source& s : sources) {
        double value = s.from[r * stride];
        if (s.f->use == ColumnUse::number)
          value += s.shift;  // now it is less the feature's own shift
        else if (!std::isnan(value))
          value = static_cast<double>(s.places[static_cast<std::size_t>(value)]);
        s.f->encode(value, out + r * d + s.to);
      }
  });
  return x;
}

namespace {
/// The column of the target. Throws if it is missing, has gaps, or holds words for a regression.
const Column& column_of_target(const Target& target, const Table& table) {
  const Column* const column = column_of(table, target.name);
  if (column == nullptr) {
    std::vector<std::string> names;
    for (const Column& c : table.columns) names.push_back(c.name);
    const std::string near = nearest_match(target.name, names);
    fail<FileError>("schema", table.name, ": lacks the target '", brief(target.name),
                    "', expected a column with what was measured",
                    near.empty() ? "" : to_text(". Hint: is it '", near, "'?"));
  }
  if (column->gaps > 0)
    fail<FileError>("schema", table.name, ": got ", column->gaps, " gaps in the target '",
                    target.name, "', expected none");
  if (target.classes.empty() && column->use == ColumnUse::category)
    fail<FileError>("schema", table.name, ": got words in the target '", target.name,
                    "', expected numbers as in training");
  return *column;
}
}  // namespace

Tensor Schema::truth(const Table& table) const {
  if (!target.classes.empty()) return targets(table);
  std::vector<Tensor> all;
  for (const Target& t : all_targets()) {
    const Column& column = column_of_target(t, table);
    all.push_back(table.values.narrow(1, &column - table.columns.data(), 1).to(kFloat64) +
                  column.shift);
  }
  return cat(all, 1);
}

Tensor Schema::targets(const Table& table) const {
  const std::int64_t n = table.rows(), stride = static_cast<std::int64_t>(table.columns.size());
  if (target.classes.empty()) {
    const std::int64_t outputs = num_outputs();
    Tensor y = empty({n, outputs});
    float* out = y.data_ptr<float>();
    for (const Target& t : all_targets()) {
      const Column& column = column_of_target(t, table);
      const float* const from = table.values.data_ptr<float>() + (&column - table.columns.data());
      for (std::int64_t r = 0; r < n; ++r)
        out[r * outputs] = static_cast<float>(
            (from[r * stride] + (column.shift - t.shift) - t.mean) / t.deviation);
      ++out;
    }
    return y;
  }
  const Column* const column = &column_of_target(target, table);
  const float* const from = table.values.data_ptr<float>() + (column - table.columns.data());
  Tensor y = empty({n}, kInt64);
  std::int64_t* const out = y.data_ptr<std::int64_t>();
  const bool words = column->use == ColumnUse::category;
  const detail::NumberClasses numbers =
      words ? detail::NumberClasses() : detail::classes_of(table, *column, false);
  const std::vector<std::int64_t> places = places_of(
      words ? detail::with_names(table, *column, column->words) : numbers.names, target.classes);
  for (std::int64_t r = 0; r < n; ++r) {
    const float v = from[r * stride];
    const std::int64_t c = words ? static_cast<std::int64_t>(v) : numbers.find(v);
    out[r] = c < 0 ? -1 : places[static_cast<std::size_t>(c)];
    if (out[r] < 0)
      fail<FileError>("schema", table.name, ": got the class '",
                      words ? brief(column->words[static_cast<std::size_t>(c)])
                            : detail::text_of(v, column->shift),
                      "' in the target '", target.name,
                      "', expected one that was there in training");
  }
  return y;
}

Dataset Schema::dataset(const Table& table) const {
  Dataset d{table.name, inputs(table), targets(table), {}, target.classes};
  for (const Feature& f : features) {
    if (f.use == ColumnUse::number || f.words.size() <= 2 || f.embedding > 0) {
      d.features.push_back(f.name);
    } else {
      for (const std::string& word : f.words) d.features.push_back(to_text(f.name, " ", word));
    }
    if (f.has_gaps) d.features.push_back(to_text(f.name, " gap"));
  }
  return d;
}

namespace {

/// How a file is read: as `format` says, and else as in training.
TableOptions options_for(const Schema& schema, const TableOptions& format) {
  const char usual = schema.decimal == ',' ? ',' : '\0';
  return {.separator = format.separator,
          .decimal = format.decimal != '\0' ? format.decimal : usual,
          .header = format.header.value_or(schema.has_header)};
}

/// The place of a column in the header, or the number of columns. Throws if it stands there twice.
std::size_t place_of(const detail::Names& names, const std::string& name) {
  const auto at = std::find(names.names.begin(), names.names.end(), name);
  if (at != names.names.end() && std::find(at + 1, names.names.end(), name) != names.names.end())
    fail<FileError>("schema", names.table, ": got the column '", brief(name),
                    "' twice, expected it once. Hint: rename one of them");
  return static_cast<std::size_t>(at - names.names.begin());
}

/// Plans to read what a schema knows, as it was read in training.
detail::Choose columns_of(const Schema& schema, bool with_target) {
  return [&schema, with_target](const detail::Names& names, std::vector<detail::Plan>& plans) {
    for (detail::Plan& plan : plans) plan.use = ColumnUse::drop;
    for (const Target& t : schema.all_targets())
      if (const std::size_t c = place_of(names, t.name); with_target && c < plans.size())
        plans[c] = {t.classes.empty() ? ColumnUse::number : ColumnUse::category, t.shift};
    for (const Feature& f : schema.features) {
      const std::size_t c = place_of(names, f.name);
      if (c == plans.size()) fail_missing(names.table, f.name, names.names, true);
      plans[c] = {f.use, f.shift};
    }
  };
}

/// Plans to read these columns alone, as text.
detail::Choose texts_of(const std::vector<std::string>& keep) {
  return [&keep](const detail::Names& names, std::vector<detail::Plan>& plans) {
    for (detail::Plan& plan : plans) plan.use = ColumnUse::drop;
    for (const std::string& name : keep) {
      place_of(names, name);
      plans[names.find(name, "the column to keep")] = {ColumnUse::category, {}, true};
    }
  };
}

}  // namespace

Table Schema::read(const std::string& path, const TableOptions& format) const {
  const detail::TextOf text(path);
  return detail::scan(text.view(), options_for(*this, format), path, columns_of(*this, true)).table;
}

void Schema::read_blocks(const std::string& path, const std::vector<std::string>& keep,
                         const std::function<void(const Table&, const Table&)>& f, std::size_t size,
                         const TableOptions& format) const {
  detail::Blocks blocks(path, size);
  TableOptions options = options_for(*this, format);
  while (blocks.next()) {
    const auto rows = [&](const detail::Choose& choose) {
      return detail::scan(blocks.text(), options, path, choose, blocks.place());
    };
    const detail::Scan scan = rows(columns_of(*this, false));
    f(scan.table, keep.empty() ? Table() : rows(texts_of(keep)).table);
    if (!blocks.place().first) continue;
    options.separator = scan.format.separator;
    options.decimal = scan.format.decimal;
    blocks.repeat(scan.names, scan.format);
  }
}

}  // namespace descent::data
