#include "run/data.h"

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>

namespace app {

using namespace descent;
namespace fs = std::filesystem;

namespace {

constexpr std::array kNamedData{
    NamedData{"digits", "1,797 handwritten digits of 8×8 pixels, 10 classes", false,
              [] { return data::digits(); }},
    NamedData{"iris", "150 flowers, 4 measurements, 3 classes", true, [] { return data::iris(); }},
    NamedData{"wine", "178 wines, 13 measurements, 3 classes", true, [] { return data::wine(); }},
    NamedData{"moons", "1,000 points on two half circles, 2 classes", false,
              [] { return data::moons(1000, 0.2); }},
    NamedData{"spirals", "1,000 points on two spirals, 2 classes", false,
              [] { return data::spirals(1000, 2, 0.02); }},
    NamedData{"blobs", "1,000 points around five centres, 5 classes", false,
              [] { return data::blobs(1000, 5, 2, 1.5); }},
    NamedData{"xor", "1,000 points in four squares, 2 classes", false,
              [] { return data::xor_points(1000, 0.05); }},
    NamedData{"linear", "regression: 500 points, linear in 5 features, with noise", false,
              [] { return data::linear_regression(500, 5); }},
    NamedData{"sine", "regression: 500 points on a sine, with noise", false,
              [] { return data::sine_regression(500); }},
};

/// True for what may hold a table: a file, a pipe, or "-" for the standard input.
bool is_file(const std::string& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  return path == "-" || type == fs::file_type::regular || type == fs::file_type::fifo;
}

bool is_table(const Options& o) {
  const NamedData* named = find_row(named_data(), o.data);
  return named != nullptr ? named->is_table : is_file(o.data);
}

data::Task task_of(const Options& o) {
  return o.task == "auto"         ? data::Task::automatic
         : o.task == "regression" ? data::Task::regression
                                  : data::Task::classification;
}

/// How a CSV file is read.
data::TableOptions table_options(const Options& o) {
  data::TableOptions options = format_of(o);
  for (const std::string& name : o.drop) options.columns[name] = data::ColumnUse::drop;
  for (const std::string& text : o.column) {
    const std::size_t colon = text.rfind(':');
    const std::string use = colon == text.npos ? "" : text.substr(colon + 1);
    if (use != "number" && use != "category" && use != "drop")
      fail<UsageError>("--column", "got '", brief(text),
                       "', expected NAME:number, NAME:category or NAME:drop");
    options.columns[text.substr(0, colon)] = use == "number"     ? data::ColumnUse::number
                                             : use == "category" ? data::ColumnUse::category
                                                                 : data::ColumnUse::drop;
  }
  return options;
}

data::Dataset read_data(const Options& o) {
  const NamedData* const named = find_row(named_data(), o.data);
  if ((!o.target.empty() || !o.drop.empty() || o.task != "auto") && (named || !is_file(o.data)))
    fail<UsageError>("--data", "got '", o.data,
                     "' with --target, --drop or --task, expected a CSV file for these");
  if (named) return named->make();
  std::error_code error;
  const fs::file_type type = fs::status(o.data, error).type();
  if (type == fs::file_type::directory) return data::idx_folder(o.data);
  const std::vector<std::string> names = names_of(named_data());
  fail<FileError>("--data", "got '", o.data, "', which is no file or folder, expected one, or ",
                  joined(names), did_you_mean(o.data, names));
}

/// --target as one column or, if no column has this name, as several: a,b.
void name_targets(const Options& o, Learnable& l) {
  std::vector<std::string> names{o.target};
  const auto& columns = l.table.columns;
  if (o.target.find(',') != std::string::npos &&
      std::none_of(columns.begin(), columns.end(),
                   [&](const data::Column& c) { return c.name == o.target; })) {
    names.clear();
    std::size_t from = 0;
    for (std::size_t at = 0; at != std::string::npos; from = at + 1) {
      at = o.target.find(',', from);
      names.push_back(o.target.substr(from, at - from));
    }
  }
  l.options.target = names[0];
  l.options.more_targets.assign(names.begin() + 1, names.end());
}

/// Remarks for the user: a feature counts the rows, or a target of numbers is read as classes.
std::string remarks_on(const data::Table& table, const data::Schema& schema) {
  std::string text;
  for (const data::Column& c : table.columns) {
    if (c.use != data::ColumnUse::number) continue;
    if (c.name == schema.target.name && !schema.target.classes.empty())
      text += to_text("note: ", c.name, " has ", schema.target.classes.size(),
                      " different numbers, read as classes; --task regression predicts values\n");
    const Tensor x = table.values.select(1, &c - table.columns.data());
    const std::int64_t n = x.numel();
    if (n < 20 || c.gaps > 0 || c.name == schema.target.name) continue;
    const Tensor steps = x.slice(0, 1) - x.slice(0, 0, n - 1);
    if (min(steps).item() == max(steps).item() && min(steps).item() != 0)
      text += to_text("note: ", c.name,
                      " counts the rows; if it only names them, --drop leaves it out\n");
  }
  return text;
}

}  // namespace

std::span<const NamedData> named_data() { return kNamedData; }

Learnable read_learnable(const Options& o) {
  Learnable l;
  const bool csv = find_row(named_data(), o.data) == nullptr && is_file(o.data);
  if (!csv && !o.weight.empty())
    fail<UsageError>("--weight", "got '", o.weight, "', expected a CSV file that has this column");
  l.table = csv ? data::read_table(o.data, table_options(o)) : data::table_of(load_data(o));
  if (csv) name_targets(o, l);
  l.options.task = task_of(o);
  l.options.standardize = o.standardize == "on" || (o.standardize == "auto" && is_table(o));
  l.options.robust = o.standardize == "robust";
  l.options.scale_target = o.standardize != "off";
  l.options.keep_all = !csv;
  for (const std::string& text : o.column)
    l.options.keep.push_back(text.substr(0, text.rfind(':')));
  if (!o.weight.empty()) {
    l.weight = l.table.take(o.weight, "the column of --weight");
    for (const double w : l.weight.to_vector<double>())
      if (!(w >= 0 && std::isfinite(w)))
        fail<FileError>("--weight", "got ", w, " in the column '", o.weight,
                        "', expected numbers of 0 or more and no gaps");
  }
  if (csv) l.summary = l.table.summary();
  if (!o.weight.empty()) l.summary += to_text(o.weight, ": how much each row counts\n");
  const data::Schema whole = data::Schema::fit(l.table, l.options);
  if (csv) l.summary += remarks_on(l.table, whole);
  if (!whole.target.classes.empty()) l.labels = whole.targets(l.table);
  if (!l.labels.defined() && o.class_weights != "none")
    fail<UsageError>("--class-weights", "got a target of numbers, expected classes");
  return l;
}

Rows part_rows(const Learnable& from, const Tensor& rows, double share, std::uint64_t seed) {
  const Tensor labels =
      from.labels.defined() && rows.defined() ? from.labels.index_select(0, rows) : from.labels;
  const auto [head, rest] =
      labels.defined()
          ? data::split_rows(labels, share, seed)
          : data::split_rows(rows.defined() ? rows.numel() : from.table.rows(), share, seed);
  if (!rows.defined()) return {head, rest};
  return {rows.index_select(0, head), rows.index_select(0, rest)};
}

Prepared prepare_rows(const Options& o, const Learnable& from, const Rows& rows) {
  Prepared p;
  p.rows = rows;
  p.schema = data::Schema::fit(from.table, from.options, rows.train);
  p.all = p.schema.dataset(from.table);
  p.train = p.all.subset(rows.train);
  p.validation = p.all.subset(rows.validation);
  if (!from.weight.defined() && o.class_weights == "none") return p;
  auto weight = from.weight.defined()
                    ? from.weight.index_select(0, rows.train).to_vector<double>()
                    : std::vector<double>(static_cast<std::size_t>(p.train.size()), 1.0);
  if (o.class_weights == "balanced") {
    const auto y = p.train.y.to_vector<std::int64_t>();
    std::vector<double> of_class(p.schema.target.classes.size());
    for (std::size_t r = 0; r < y.size(); ++r)
      of_class[static_cast<std::size_t>(y[r])] += weight[r];
    for (std::size_t r = 0; r < y.size(); ++r)
      if (weight[r] > 0) weight[r] /= of_class[static_cast<std::size_t>(y[r])];
  }
  const Tensor w = tensor(weight);
  const double total = w.sum().item();
  if (!(total > 0))
    fail<FileError>("--weight", "got weights of 0 in all rows for training, expected some above 0");
  p.weight = (w * (static_cast<double>(weight.size()) / total)).to(kFloat32);
  return p;
}

void check_outputs(const std::string& data, const std::vector<Output>& outputs) {
  std::error_code error;
  // A path that cannot be followed is nobody's: who opens it tells why.
  const auto same = [&](const fs::path& a, const fs::path& b) {
    if (fs::equivalent(a, b, error)) return true;
    const fs::path first = fs::weakly_canonical(a, error);
    return !error && first == fs::weakly_canonical(b, error) && !error;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [option, path] = outputs[i];
    // A folder of IDX files is data too.
    if (fs::is_regular_file(path, error) &&
        (same(path, data) || (option == std::string_view("--trace") &&
                              same(fs::absolute(path, error).parent_path(), data))))
      fail<UsageError>(option, "got '", path,
                       "', which belongs to the data, expected another file: writing it would "
                       "lose the data. Hint: name another file or folder");
    for (std::size_t k = 0; k < i; ++k)
      if (!fs::is_character_file(path, error) && same(path, outputs[k].path))
        fail<UsageError>(option, "got '", path, "', which ", outputs[k].option,
                         " writes too, expected another file. Hint: name one outside of --out");
  }
}

data::Dataset load_data(const Options& o) {
  data::Dataset d = read_data(o);
  if (d.is_classification() ? d.num_classes() < 2 : max(d.y).item() == min(d.y).item())
    fail<FileError>("--data", "got '", o.data, "', whose target is the same in all ", d.size(),
                    " samples, expected one that differs. Hint: --target names another column");
  return d;
}

std::string checksum(const data::Dataset& d) {
  std::uint64_t h = 14695981039346656037U;
  for (const Tensor& t : {d.x, d.y})
    for (const double v : t.to_vector<double>()) {
      std::uint64_t bits;
      std::memcpy(&bits, &v, sizeof bits);
      h = (h ^ bits) * 1099511628211U;
    }
  return to_text("fnv1a ", std::to_string(h));
}

}  // namespace app
