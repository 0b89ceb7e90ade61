#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/data/model.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace descent {
namespace {

constexpr int kVersion = 1;
constexpr const char *kMetadata = "descent_model", *kChecksum = "descent_checksum";
constexpr std::int64_t kMostChecked = 8;
// A description that goes beyond these is an attack rather than a model.
constexpr std::size_t kMostText = std::size_t{4} << 20, kMostLayers = 1000;
constexpr int kMostDepth = 16;

nlohmann::json json_of(const nn::MlpOptions& o) {
  return {{"inputs", o.inputs},         {"hidden", o.hidden},   {"outputs", o.outputs},
          {"activation", o.activation}, {"dropout", o.dropout}, {"batch_norm", o.batch_norm}};
}

nn::MlpOptions network_of(const nlohmann::json& json) {
  nn::MlpOptions o;
  o.inputs = json.at("inputs").get<std::int64_t>();
  o.hidden = json.at("hidden").get<std::vector<std::int64_t>>();
  o.outputs = json.at("outputs").get<std::int64_t>();
  o.activation = json.at("activation").get<std::string>();
  o.dropout = json.at("dropout").get<double>();
  o.batch_norm = json.at("batch_norm").get<bool>();
  return o;
}

}  // namespace

Tensor TableModel::predict(const Tensor& inputs) const {
  const NoGradGuard guard;
  nn::Sequential model = net;  // the same weights
  const Tensor out = model(inputs);
  if (!schema.target.classes.empty()) return softmax(out, 1);
  // In double, so that a target far from 0 keeps its digits.
  return out.to(kFloat64) * schema.target.deviation + (schema.target.mean + schema.target.shift);
}

Tensor TableModel::predict(const data::Table& table) const { return predict(schema.inputs(table)); }

std::vector<double> TableModel::predict(const Row& row) const {
  data::Table table;
  table.name = "predict";
  std::vector<float> values;
  std::vector<std::string> names;
  std::size_t found = 0;
  for (const data::Feature& f : schema.features) {
    names.push_back(f.name);
    data::Column column{f.name};
    column.use = f.use;
    float value = std::numeric_limits<float>::quiet_NaN();
    if (const auto at = row.find(f.name); at != row.end()) {
      ++found;
      const bool is_word = std::holds_alternative<std::string>(at->second);
      if (is_word != (f.use == data::ColumnUse::category))
        fail<ValueError>("predict", "got a ", is_word ? "word" : "number", " for the column '",
                         f.name, "', expected a ", is_word ? "number" : "word");
      if (is_word) {
        column.words = {std::get<std::string>(at->second)};
        value = 0;
      } else {
        column.shift = f.shift;
        value = static_cast<float>(std::get<double>(at->second) - f.shift);
      }
    }
    table.columns.push_back(std::move(column));
    values.push_back(value);
  }
  if (found < row.size())
    for (const auto& [name, value] : row)
      if (std::find(names.begin(), names.end(), name) == names.end())
        fail<ValueError>("predict", "got the column '", brief(name), "', ",
                         expected_one_of(name, names));
  table.values = tensor(values, {1, static_cast<std::int64_t>(values.size())});
  table.has_header = schema.has_header;
  return predict(table).to_vector<double>();
}

std::string TableModel::description() const {
  const nlohmann::json json{{"version", kVersion},
                            {"schema", nlohmann::json::parse(schema.to_json())},
                            {"network", json_of(network)},
                            {"notes", notes}};
  std::string text = json.dump();
  if (text.size() > kMostText)
    fail<ValueError>("model", "got columns and classes that take ", text.size(),
                     " bytes of text, expected at most ", kMostText,
                     ". Hint: drop columns, or those with long words");
  return text;
}

void TableModel::save(const std::string& path, const Tensor& sample) const {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, t] : net.state_dict()) tensors.emplace("net." + name, t);
  const Tensor rows = sample.slice(0, 0, std::min(kMostChecked, sample.size(0))).contiguous();
  tensors.emplace("check.inputs", rows);
  tensors.emplace("check.outputs", predict(rows));
  Archive file{std::move(tensors), {{kMetadata, description()}}};
  file.metadata[kChecksum] = checksum(file);
  save_tensors(path, file.tensors, file.metadata);
}

TableModel load_model(const std::string& path) {
  Archive file = load_tensors(path);
  const auto text = file.metadata.find(kMetadata);
  if (text == file.metadata.end())
    fail<FileError>("load_model", "got '", path,
                    "', which holds tensors but no model, expected a file "
                    "of TableModel::save() or of `descent train`");
  if (const auto sum = file.metadata.find(kChecksum);
      sum == file.metadata.end() || sum->second != checksum(file))
    fail<FileError>("load_model", "got '", path,
                    "', whose checksum is wrong, expected the file as it was saved. Hint: it was "
                    "changed or damaged");
  TableModel model;
  const auto damaged = [&](const std::string& why) {
    fail<FileError>("load_model", "got '", path, "' with a description that is damaged: ", why);
  };
  if (text->second.size() > kMostText)
    damaged(to_text("it has ", text->second.size(), " bytes, expected at most ", kMostText));
  try {
    const auto json = nlohmann::json::parse(
        text->second, [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
          if (depth > kMostDepth) damaged("it is nested too deeply");
          return true;
        });
    if (const int version = json.at("version").get<int>(); version != kVersion)
      fail<FileError>("load_model", "got '", path, "' of version ", version, ", expected ",
                      kVersion);
    model.schema = data::Schema::from_json(json.at("schema").dump());
    model.network = network_of(json.at("network"));
    model.notes = json.at("notes").get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception& e) {
    damaged(brief(e.what()));
  } catch (const StateError& e) {
    damaged(brief(e.what()));
  }
  const auto classes = static_cast<std::int64_t>(model.schema.target.classes.size());
  if (model.network.inputs != model.schema.num_inputs() ||
      model.network.outputs != std::max<std::int64_t>(classes, 1))
    fail<FileError>("load_model", "got '", path, "' with a network of ", model.network.inputs,
                    " inputs and ", model.network.outputs, " outputs, expected ",
                    model.schema.num_inputs(), " and ", std::max<std::int64_t>(classes, 1),
                    " as its columns need");
  // The layers must fit the weights in the file before they take memory.
  std::int64_t width = model.network.inputs, numbers = 0, stored = 0;
  std::vector<std::int64_t> layers = model.network.hidden;
  if (layers.size() > kMostLayers)
    damaged(to_text("it has ", layers.size(), " layers, expected at most ", kMostLayers));
  layers.push_back(model.network.outputs);
  for (const std::int64_t h : layers) {
    numbers = h < 1 || h > (std::int64_t{1} << 31) || numbers > (std::int64_t{1} << 40)
                  ? std::int64_t{1} << 62
                  : numbers + width * h;
    width = h;
  }
  std::map<std::string, Tensor> weights;
  for (const auto& [name, t] : file.tensors)
    if (name.starts_with("net.")) stored += t.numel(), weights.emplace(name.substr(4), t);
  if (numbers > stored)
    fail<FileError>("load_model", "got '", path, "' with layers larger than its weights");
  try {
    model.net = nn::mlp(model.network);
    model.net.load_state_dict(weights);
  } catch (const Error& e) {
    damaged(brief(e.what(), 500));
  }
  model.net.eval();
  const auto inputs = file.tensors.find("check.inputs"),
             outputs = file.tensors.find("check.outputs");
  if (inputs == file.tensors.end() || outputs == file.tensors.end() || inputs->second.dim() != 2 ||
      inputs->second.size(1) != model.network.inputs || inputs->second.dtype() != kFloat32)
    fail<FileError>("load_model", "got '", path,
                    "' without rows to check, expected check.inputs and check.outputs");
  const Tensor now = model.predict(inputs->second), then = outputs->second;
  if (!(now.shape() == then.shape()) || !allclose(now, then.to(now.dtype()), 1e-4, 1e-5))
    fail<FileError>("load_model", "got '", path,
                    "', which does not predict for its own rows what it did "
                    "when it was saved, expected the same. Hint: was the file changed?");
  return model;
}

}  // namespace descent
