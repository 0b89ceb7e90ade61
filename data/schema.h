// How the columns of a table become the inputs and the target of a network. A schema is measured on
// training rows, kept beside the weights, and applied to every table that comes later.
//
//   const data::Table table = data::read_table("houses.csv");
//   const auto schema = data::Schema::fit(table, {.target = "price"});
//   const Tensor x = schema.inputs(table), y = schema.targets(table);
#pragma once

#include <descent/data/files.h>
#include <descent/data/table.h>

#include <functional>

namespace descent::data {

/// A column of a table, and how its values become inputs.
struct Feature {
  std::string name;                   ///< the name of the column
  ColumnUse use = ColumnUse::number;  ///< number or category
  /// Of a category: the words that are known, sorted. Each has an input; of two words only the
  /// second has one. Other words become 0 in all of these inputs, and 0.5 in that of two words.
  std::vector<std::string> words = {};
  /// If not 0, the words share one input: 1 for the first word, 2 for the second, and 0 for other
  /// words. The network looks up a vector of this length for each.
  std::int64_t embedding = 0;
  double shift = 0;                ///< what is subtracted first, see Column::shift
  double mean = 0, deviation = 1;  ///< a number x becomes z = (x − shift − mean)/deviation
  bool smooth_clip = false;        ///< z then becomes z/√(1 + (z/3)²), which lies within ±3
  double fill = 0;  ///< what a gap counts as: the median, less the shift, or the place of a word
  bool has_gaps = false;  ///< a further input is 1 for a gap and 0 for a value

  /// The number of inputs.
  std::int64_t width() const;
  /// Writes the inputs of a value: of a number less `shift`, of the place of a word in `words`, or
  /// −1 for another word; NaN is a gap.
  void encode(double value, float* inputs) const {
    if (use == ColumnUse::number && !has_gaps && !smooth_clip && value == value)
      *inputs = static_cast<float>((value - mean) / deviation);  // most columns
    else
      encode_any(value, inputs);
  }

 private:
  void encode_any(double value, float* inputs) const;
};

/// What is to be predicted.
struct Target {
  std::string name;                    ///< the name of the column
  std::vector<std::string> classes{};  ///< in the order of the outputs; empty for a regression
  double shift = 0;                    ///< as in Feature
  double mean = 0, deviation = 1;      ///< a regression learns (y − shift − mean)/deviation
};

/// Options of Schema::fit().
struct SchemaOptions {
  std::string target = {};  ///< a name or number; empty: the last column of the file
  std::vector<std::string> more_targets = {};  ///< further columns to predict, all of them numbers
  Task task = Task::automatic;                 ///< as in CsvOptions
  bool standardize = true;                     ///< false: numbers of features stay as they are
  /// true: `mean` is the median, `deviation` the distance of the quartiles, and large numbers are
  /// clipped smoothly. Source: Holzmüller et al. 2024, arXiv:2407.04491.
  bool robust = false;
  bool scale_target = true;            ///< false: the target of a regression stays as it is
  bool keep_all = false;               ///< true: leave out no column
  std::vector<std::string> keep = {};  ///< columns that are not left out, whatever they hold
  /// A column with more words has an embedding of its 1000 most frequent words, without those that
  /// stand in one row alone.
  std::int64_t most_words = 16;
};

/// A data set as a table: its features, then its target as the column "target".
Table table_of(const Dataset& d);

/// How the columns of a table become inputs and a target.
class Schema {
 public:
  std::vector<Feature> features;     ///< in the order of the inputs
  Target target;                     ///< what is predicted
  std::vector<Target> more_targets;  ///< what is predicted besides, in a regression
  /// Columns that carry nothing, with the reason: constant ones, and words that differ in all rows.
  std::vector<std::string> left_out;
  bool has_header = true;  ///< whether columns have names; else they are found by their number
  char decimal = '.';      ///< of the table that was learned from

  /// Measures everything on the rows whose numbers `rows` holds, int64 (n); on all rows if it is
  /// undefined. Classes are taken from the whole table. Throws FileError for a gap in the target or
  /// a target that is the same in all rows, ValueError for an unknown target.
  static Schema fit(const Table& table, const SchemaOptions& options, const Tensor& rows = {});

  /// The number of inputs, D.
  std::int64_t num_inputs() const;
  /// The number of outputs: C classes, or T targets of a regression.
  std::int64_t num_outputs() const;
  /// The target and more_targets.
  std::vector<Target> all_targets() const;
  /// The inputs (N, D) float32 of a table. Columns are found by name, in any order; a column that
  /// the schema does not know is left alone. Throws FileError for a missing column, and for words
  /// where the schema has numbers or the other way round. If `unseen` is given, adds to it the
  /// number of fields whose words were not there when the schema was measured.
  Tensor inputs(const Table& table, std::int64_t* unseen = nullptr) const;
  /// The targets of a table: (N) int64 classes, or (N, T) float32 values as the network learns
  /// them. Throws FileError for a missing column, a gap or an unknown class.
  Tensor targets(const Table& table) const;
  /// What a prediction is measured against: classes as targets() gives them, or (N, T) float64
  /// values in the unit of the target. Throws the errors of targets().
  Tensor truth(const Table& table) const;
  /// A data set with inputs(), targets() and the classes.
  Dataset dataset(const Table& table) const;
  /// Reads a table with the columns that the schema knows, and with the target if it is there; all
  /// others are left out. Throws the errors of read_table(), and FileError for a missing column,
  /// with the nearest name, and for a column whose name stands there twice. The file may be written
  /// otherwise than that of the training: if `format` sets separator, decimal mark or header, these
  /// hold.
  Table read(const std::string& path, const TableOptions& format = {}) const;
  /// Reads a table of any length in blocks of rows, in constant memory. Calls f(features, kept) for
  /// each block of about `size` bytes: a table of the features alone, and one of the columns in
  /// `keep`, as text. Throws the errors of read().
  void read_blocks(const std::string& path, const std::vector<std::string>& keep,
                   const std::function<void(const Table&, const Table&)>& f,
                   std::size_t size = std::size_t{1} << 24, const TableOptions& format = {}) const;

  /// The schema as JSON.
  std::string to_json() const;
  /// The schema that to_json() wrote. Throws StateError for text that is no schema.
  static Schema from_json(std::string_view text);
};

}  // namespace descent::data
