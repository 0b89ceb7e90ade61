// A model of a table in one file: the network, and everything that is needed to use it on new rows.
//
//   const TableModel model = load_model("run/model.safetensors");
//   const Tensor p = model.predict(model.schema.read("new.csv"));  // (N, C)
//   const auto one = model.predict({{"width", 2.5}, {"kind", "oak"}});
#pragma once

#include <descent/data/schema.h>
#include <descent/nn/mlp.h>

#include <variant>

namespace descent {

/// A network, the schema of the table it was trained on, and notes about the training. After
/// loading, any number of threads may call predict() of one model.
class TableModel {
 public:
  /// A row by the names of its columns.
  using Row = std::map<std::string, std::variant<double, std::string>>;

  data::Schema schema;     ///< how columns become inputs, and outputs a class or a number
  nn::MlpOptions network;  ///< how the network is made
  nn::Sequential net;      ///< (N, D) → (N, C) logits, or (N, 1) for a regression
  /// What the program notes about the training, as "optimizer", "seed" and "metrics".
  std::map<std::string, std::string> notes;

  /// Predictions for the rows of a table: probabilities of the classes (N, C), or, for a
  /// regression, values (N, 1) in the unit of the target, in double precision. Throws the errors of
  /// Schema::inputs().
  Tensor predict(const data::Table& table) const;
  /// The same for inputs (N, D) that Schema::inputs() made.
  Tensor predict(const Tensor& inputs) const;
  /// The same for one row, numbers and words by the names of their columns. A column that is not
  /// named is a gap. Returns C probabilities, or one value. Throws ValueError for an unknown
  /// column, and for a word where a number is expected or the other way round.
  std::vector<double> predict(const Row& row) const;
  /// The same for a row that is written out: predict({{"width", 2.5}}).
  std::vector<double> predict(std::initializer_list<Row::value_type> row) const {
    return predict(Row(row));
  }

  /// What the file says of the model besides its weights, as JSON. Throws ValueError if it takes
  /// more than 4 MB: call it before a long training.
  std::string description() const;
  /// Writes the model into one file in the safetensors format, with eight rows of `sample`, inputs
  /// (N, D), and what the model predicts for them. Throws FileError if it cannot be written.
  void save(const std::string& path, const Tensor& sample) const;
};

/// Reads a model that TableModel::save() wrote. Throws FileError if the file is damaged or no such
/// model, and if the model does not predict what it predicted when it was saved.
TableModel load_model(const std::string& path);

}  // namespace descent
