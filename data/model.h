// A model of a table in one file: the network, and everything that is needed to use it on new rows.
//
//   const TableModel model = load_model("run/model.safetensors");
//   const Tensor p = model.predict(model.schema.read("new.csv"));  // (N, C)
//   const auto one = model.predict({{"width", 2.5}, {"kind", "oak"}});
#pragma once

#include <descent/data/schema.h>
#include <descent/nn/mlp.h>

#include <span>
#include <variant>

namespace descent {

/// A layer of a trained network, y = activation(x·weight + bias): x (N, in) → y (N, out).
struct DenseLayer {
  Tensor weight;           ///< (in, out) float32
  Tensor bias;             ///< (out) float32
  std::string activation;  ///< a name of nn::named_activations(), or "" for none
};

/// One or several networks, the schema of the table they were trained on, and notes about the
/// training. Several networks are an ensemble: the model predicts the mean of what they predict.
/// After loading, any number of threads may call predict() of one model.
class TableModel {
 public:
  /// What a column of a row holds: a number of any type, or a text.
  struct Value : std::variant<double, std::string> {
    /// A number.
    template <class T>
    requires std::is_arithmetic_v<T> Value(T x)
        : std::variant<double, std::string>(static_cast<double>(x)) {}
    Value(std::string text) : std::variant<double, std::string>(std::move(text)) {}  ///< a text
    Value(const char* text) : Value(std::string(text)) {}                            ///< a text
  };
  /// A row by the names of its columns.
  using Row = std::map<std::string, Value>;

  data::Schema schema;     ///< how columns become inputs, and outputs a class or a number
  nn::MlpOptions network;  ///< how each network is made
  /// (N, D) → (N, C) logits, or (N, T) for a regression; in evaluation mode.
  std::vector<nn::Sequential> nets;
  /// What the program notes about the training, as "optimizer", "seed" and "metrics".
  std::map<std::string, std::string> notes;

  /// Predictions for the rows of a table: probabilities of the classes (N, C), or, for a
  /// regression of T targets, values (N, T) in the targets' units, in double precision. Throws the
  /// errors of Schema::inputs().
  Tensor predict(const data::Table& table) const;
  /// The same for inputs (N, D) that Schema::inputs() made. The prediction for a row does not
  /// depend on the rows beside it.
  Tensor predict(const Tensor& inputs) const;
  /// What each network of an ensemble predicts for inputs (N, D).
  std::vector<Tensor> predict_each(const Tensor& inputs) const;
  /// The same for one row, for services: no heap memory is allocated once a thread has called it a
  /// few times. `row` has a value for each of schema.features, in this order: a number; of a word
  /// its place in Feature::words, or −1 for another word; NaN for a gap. `out` takes C
  /// probabilities, or T values. Throws ValueError for other lengths. Numbers that a float cannot
  /// tell apart, such as times in nanoseconds, need predict(Row).
  void predict(std::span<const float> row, std::span<double> out) const;
  /// The same for one row, numbers and words by the names of their columns. A column that is not
  /// named is a gap. Returns C probabilities, or T values. Throws ValueError for an unknown
  /// column, and for a word where a number is expected or the other way round.
  std::vector<double> predict(const Row& row) const;
  /// The same for a row that is written out: predict({{"width", 2.5}}).
  std::vector<double> predict(std::initializer_list<Row::value_type> row) const;

  /// The layers of a network of the model, with batch normalisation made part of their weights. It
  /// is all that another program needs to predict. Words with an embedding have an input each here,
  /// 1 for the word that is there and 0 for all others: the vectors are part of the first weight.
  std::vector<DenseLayer> layers(std::size_t network = 0) const;

  /// What the file says of the model besides its weights, as JSON. Throws ValueError if it takes
  /// more than 4 MB: call it before a long training.
  std::string description() const;
  /// Writes the model into one file in the safetensors format, with eight rows of `sample`, inputs
  /// (N, D), and what the model predicts for them. Throws FileError if it cannot be written.
  void save(const std::string& path, const Tensor& sample) const;

 private:
  void predict_values(const double* values, std::span<double> out) const;
};

/// Reads a model that TableModel::save() wrote. Throws FileError if the file is damaged or no such
/// model, and if the model does not predict what it predicted when it was saved.
TableModel load_model(const std::string& path);

/// The inputs of a schema that hold numbers of words, for MlpOptions::embedded.
std::vector<nn::EmbeddedColumn> embedded_columns(const data::Schema& schema);

/// Sets the vector that stands for unknown words in each embedded column of a trained network. If
/// no training row has an unknown word in a column, training leaves this vector as it was drawn.
/// Then the vector becomes the mean of the known words' vectors, weighted by how often each word
/// stands in the training inputs (N, D). Otherwise the vector was trained and stays.
void settle_unknown_words(nn::Sequential& net, const data::Schema& schema, const Tensor& inputs);

/// How much a model relies on a column.
struct Importance {
  std::string column;       ///< a feature of the schema
  double loss = 0;          ///< by how much the loss rises without the column
  double score = 0;         ///< by how much accuracy or R² falls
  double loss_spread = 0;   ///< standard deviation of `loss` over the repeats
  double score_spread = 0;  ///< standard deviation of `score` over the repeats
};
/// Permutation importance: shuffles one column among the rows of a table with targets, and measures
/// how much worse the model predicts; Breiman 2001, "Random forests". The loss is log loss, or the
/// mean squared error in units of the target's deviation. The result has all features, the most
/// important first. A column that repeats what another one says may seem unimportant. Throws the
/// errors of Schema::targets(), ValueError for repeats < 1.
std::vector<Importance> importance(const TableModel& model, const data::Table& table,
                                   std::int64_t repeats = 5, std::uint64_t seed = 0);

}  // namespace descent
