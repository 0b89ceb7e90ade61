// descent predict: what a model says of new rows.
#include "commands/commands.h"
#include "run/choice.h"
#include "run/data.h"

#include <descent/descent.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>

namespace app {

using namespace descent;

namespace {

struct PredictOptions {
  std::string model, data, out;
  std::vector<std::string> keep;
  bool proba = false;
};

/// A field of a CSV file; in quotes where it needs them.
void append_field(std::string& line, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == field.npos && !field.empty()) {
    line += field;
    return;
  }
  line += '"';
  for (const char c : field) line += c == '"' ? std::string("\"\"") : std::string(1, c);
  line += '"';
}

/// A number with as few digits as a float needs.
void append_number(std::string& line, float x) {
  char text[32];
  line.append(text, std::to_chars(text, text + sizeof text, x).ptr);
}

/// A value with seven digits of what differs between targets.
void append_value(std::string& line, double x, double deviation) {
  const int decimals = std::clamp(6 - static_cast<int>(std::floor(std::log10(deviation))), 0, 300);
  char text[700];
  const auto end =
      std::to_chars(text, text + sizeof text, x, std::chars_format::fixed, decimals).ptr;
  std::string_view digits(text, static_cast<std::size_t>(end - text));
  if (decimals > 0) digits = digits.substr(0, digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.remove_suffix(1);
  line += digits;
}

/// The predictions as CSV: the kept columns, then the class or the value, then the probabilities.
std::string csv_of(const PredictOptions& o, const TableModel& model, const data::Table& kept,
                   const Tensor& p) {
  const data::Target& target = model.schema.target;
  const bool classes = !target.classes.empty();
  std::vector<std::size_t> columns;
  for (const std::string& name : o.keep) columns.push_back(kept.find(name, "the column to keep"));
  std::string csv;
  for (const std::string& name : o.keep) append_field(csv, name), csv += ',';
  append_field(csv, "predicted_" + target.name);
  if (o.proba)
    for (const std::string& c : target.classes) csv += ',', append_field(csv, "p_" + c);
  csv += '\n';
  const std::int64_t outputs = p.size(1);
  const float* row = classes ? p.data_ptr<float>() : nullptr;
  const float* fields = columns.empty() ? nullptr : kept.values.data_ptr<float>();
  for (std::int64_t r = 0; r < p.size(0); ++r) {
    for (const std::size_t c : columns) {
      if (const float word = fields[c]; !std::isnan(word))
        append_field(csv, kept.columns[c].words[static_cast<std::size_t>(word)]);
      csv += ',';
    }
    if (classes)
      append_field(
          csv,
          target.classes[static_cast<std::size_t>(std::max_element(row, row + outputs) - row)]);
    else
      append_value(csv, p.data_ptr<double>()[r], target.deviation);
    if (o.proba)
      for (std::int64_t k = 0; k < outputs; ++k) csv += ',', append_number(csv, row[k]);
    csv += '\n';
    if (classes) row += outputs;
    if (fields != nullptr) fields += kept.columns.size();
  }
  return csv;
}

int predict(const PredictOptions& o) {
  std::error_code error;
  if (!o.out.empty()) check_outputs(o.data, {{"--out", o.out}});
  if (!o.out.empty() && std::filesystem::equivalent(o.out, o.model, error))
    fail<UsageError>("--out", "got '", o.out, "', which is the model, expected another file");
  const TableModel model = load_model(o.model);
  if (o.proba && model.schema.target.classes.empty())
    fail<UsageError>("--proba", "got a model of a regression, expected one of classes");
  const auto [table, kept] = model.schema.read_features(o.data, o.keep);
  std::int64_t unseen = 0;
  const Tensor inputs = model.schema.inputs(table, &unseen);
  const std::string csv = csv_of(o, model, kept, model.predict(inputs));
  if (o.out.empty())
    std::cout << csv;
  else
    write_file(o.out, csv);
  if (unseen > 0)
    std::cerr << unseen << " words were not there in training: they count as none of the known\n";
  return kOk;
}

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<PredictOptions>();
  app.add_option("model", o->model, "model.safetensors of `descent train`")->required();
  app.add_option("data", o->data, "CSV file with the columns of the training; - for stdin")
      ->required();
  app.add_option("--out", o->out, "CSV file to write (default: the standard output)");
  app.add_option("--keep", o->keep, "columns to carry through, as id,name")->delimiter(',');
  app.add_flag("--proba", o->proba, "also write the probability of each class");
  return [o] { return predict(*o); };
}

}  // namespace

const Command kPredict{"predict", "Predict new rows with a trained model", add};

}  // namespace app
