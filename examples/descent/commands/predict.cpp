// descent predict: what a model says of new rows.
#include "commands/commands.h"
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
  std::string model, out;
  Options of_data;
  std::vector<std::string> keep;
  bool proba = false, spread = false;
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

/// The first line of the predictions.
std::string header_of(const PredictOptions& o, const data::Schema& schema,
                      const std::vector<std::string>& kept) {
  std::vector<std::string> names = kept;
  for (const data::Target& t : schema.all_targets()) names.push_back("predicted_" + t.name);
  if (o.proba)
    for (const std::string& c : schema.target.classes) names.push_back("p_" + c);
  if (o.spread)
    for (const data::Target& t : schema.all_targets()) names.push_back("spread_" + t.name);
  std::string line;
  for (const std::string& name : names) line += line.empty() ? "" : ",", append_field(line, name);
  return line + "\n";
}

/// How far the networks of an ensemble are apart, row by row: the deviation of each value, or of
/// the probability of the class that is predicted.
std::vector<double> spreads_of(const TableModel& model, const Tensor& inputs, const Tensor& mean) {
  const Tensor place =
      model.schema.target.classes.empty() ? Tensor() : argmax(mean, 1).reshape({-1, 1});
  const auto values = [&](const Tensor& p) {
    return (place.defined() ? gather(p, 1, place) : p).to(kFloat64);
  };
  const std::vector<Tensor> all = model.predict_each(inputs);
  Tensor sum = zeros_like(values(mean));
  for (const Tensor& p : all) sum = sum + square(values(p) - values(mean));
  return sqrt(sum / static_cast<double>(all.size())).to_vector<double>();
}

/// The rows of a block as lines: the kept columns, then the class or the value, then the
/// probabilities. Threads write parts of the block side by side.
std::string lines_of(const PredictOptions& o, const TableModel& model, const Tensor& inputs,
                     const data::Table& kept) {
  const std::vector<data::Target> targets = model.schema.all_targets();
  const data::Target& target = targets[0];
  const Tensor p = model.predict(inputs);
  const auto spreads = o.spread ? spreads_of(model, inputs, p) : std::vector<double>();
  std::vector<std::size_t> columns;
  for (const std::string& name : o.keep) columns.push_back(kept.find(name, "the column to keep"));
  constexpr std::int64_t kPart = 4096;
  std::vector<std::string> parts(static_cast<std::size_t>((p.size(0) + kPart - 1) / kPart));
  parallel_for(std::ssize(parts), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::string& csv = parts[static_cast<std::size_t>(i)];
      for (std::int64_t r = i * kPart; r < std::min((i + 1) * kPart, p.size(0)); ++r) {
        for (const std::size_t c : columns) {
          const float word =
              kept.values
                  .data_ptr<float>()[r * std::ssize(kept.columns) + static_cast<std::int64_t>(c)];
          if (!std::isnan(word))
            append_field(csv, kept.columns[c].words[static_cast<std::size_t>(word)]);
          csv += ',';
        }
        if (target.classes.empty()) {
          for (std::int64_t t = 0; t < p.size(1); ++t) {
            if (t > 0) csv += ',';
            append_value(csv, p.data_ptr<double>()[r * p.size(1) + t],
                         targets[static_cast<std::size_t>(t)].deviation);
          }
        } else {
          const float* const row = p.data_ptr<float>() + r * p.size(1);
          const auto best = std::max_element(row, row + p.size(1)) - row;
          append_field(csv, target.classes[static_cast<std::size_t>(best)]);
          if (o.proba)
            for (std::int64_t k = 0; k < p.size(1); ++k) csv += ',', append_number(csv, row[k]);
        }
        if (o.spread)
          for (std::size_t t = 0; t < targets.size(); ++t)
            csv += ',',
                append_number(csv, static_cast<float>(
                                       spreads[static_cast<std::size_t>(r) * targets.size() + t]));
        csv += '\n';
      }
    }
  });
  return joined(parts, "");
}

int predict(const PredictOptions& o) {
  std::error_code error;
  if (!o.out.empty()) check_outputs(o.of_data.data, {{"--out", o.out}});
  if (!o.out.empty() && std::filesystem::equivalent(o.out, o.model, error))
    fail<UsageError>("--out", "got '", o.out, "', which is the model, expected another file");
  const TableModel model = load_model(o.model);
  if (o.proba && model.schema.target.classes.empty())
    fail<UsageError>("--proba", "got a model of a regression, expected one of classes");
  if (o.spread && model.nets.size() < 2)
    fail<UsageError>("--spread", "got a model of one network, expected an ensemble");
  std::int64_t unseen = 0;
  const auto give = [&](const std::function<void(std::string_view)>& write) {
    bool first = true;
    model.schema.read_blocks(
        o.of_data.data, o.keep,
        [&](const data::Table& rows, const data::Table& kept) {
          const Tensor inputs = model.schema.inputs(rows, &unseen);
          const std::string lines = lines_of(o, model, inputs, kept);
          std::vector<std::string> names;
          for (const std::string& name : o.keep)
            names.push_back(kept.columns[kept.find(name, "the column to keep")].name);
          if (std::exchange(first, false)) write(header_of(o, model.schema, names));
          write(lines);
        },
        std::size_t{1} << 24, format_of(o.of_data));
  };
  if (o.out.empty())
    give([](std::string_view piece) { std::cout << piece; });
  else
    write_file(o.out, give);
  if (unseen > 0)
    std::cerr << counted(unseen, "field")
              << " with words that were not there in training: they count as none of the known\n";
  return kOk;
}

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<PredictOptions>();
  app.add_option("model", o->model, "model.safetensors of `descent train`")->required();
  app.add_option("data", o->of_data.data, "CSV file with the columns of the training; - for stdin")
      ->required();
  add_format(app, o->of_data);
  app.add_option("--out", o->out, "CSV file to write (default: the standard output)");
  app.add_option("--keep", o->keep, "columns to carry through, as id,name")->delimiter(',');
  app.add_flag("--proba", o->proba, "also write the probability of each class");
  app.add_flag("--spread", o->spread, "also write how far the networks of an ensemble are apart");
  return [o] { return predict(*o); };
}

}  // namespace

const Command kPredict{"predict", "Predict new rows with a trained model", add};

}  // namespace app
