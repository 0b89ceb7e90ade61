#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/random.h>
#include <descent/core/text.h>
#include <descent/data/model.h>
#include <descent/nn/batch_norm.h>
#include <descent/nn/metrics.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace descent {
namespace {

constexpr int kVersion = 3;
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

/// What one network predicts for inputs (N, D).
Tensor prediction(const nn::Sequential& net, const data::Schema& schema, const Tensor& inputs) {
  const NoGradGuard guard;
  // forward() changes nothing in evaluation mode.
  const Tensor out = const_cast<nn::Sequential&>(net)(inputs);
  const data::Target& target = schema.target;
  if (!target.classes.empty()) return softmax(out, 1);
  // In double, so that a target far from 0 keeps its digits.
  if (schema.more_targets.empty())
    return out.to(kFloat64) * target.deviation + (target.mean + target.shift);
  std::vector<double> deviations, means;
  for (const data::Target& t : schema.all_targets())
    deviations.push_back(t.deviation), means.push_back(t.mean + t.shift);
  return out.to(kFloat64) * tensor(deviations) + tensor(means);
}

}  // namespace

std::vector<Tensor> TableModel::predict_each(const Tensor& inputs) const {
  std::vector<Tensor> all;
  for (const nn::Sequential& net : nets) all.push_back(prediction(net, schema, inputs));
  return all;
}

Tensor TableModel::predict(const Tensor& inputs) const {
  if (nets.empty()) fail<ValueError>("predict", "got a model without a network, expected one");
  Tensor sum = prediction(nets[0], schema, inputs);
  if (nets.size() == 1) return sum;
  for (std::size_t i = 1; i < nets.size(); ++i) sum = sum + prediction(nets[i], schema, inputs);
  return sum / static_cast<double>(nets.size());
}

Tensor TableModel::predict(const data::Table& table) const { return predict(schema.inputs(table)); }

void TableModel::predict(std::span<const float> row, std::span<double> out) const {
  if (row.size() != schema.features.size() || std::ssize(out) != network.outputs)
    fail<ValueError>("predict", "got ", row.size(), " values and place for ", out.size(),
                     " results, expected ", schema.features.size(), " and ", network.outputs);
  constexpr std::size_t kFew = 64;
  std::array<double, kFew> few{};
  std::vector<double> many(row.size() > kFew ? row.size() : 0);
  double* const values = row.size() > kFew ? many.data() : few.data();
  for (std::size_t i = 0; i < row.size(); ++i) values[i] = row[i] - schema.features[i].shift;
  predict_values(values, out);
}

void TableModel::predict_values(const double* values, std::span<double> out) const {
  Tensor inputs = empty({1, network.inputs});
  float* to = inputs.data_ptr<float>();
  for (const data::Feature& f : schema.features) {
    f.encode(*values++, to);
    to += f.use == data::ColumnUse::number && !f.has_gaps ? 1 : f.width();
  }
  const Tensor p = predict(inputs);
  if (p.dtype() == kFloat64)
    std::copy_n(p.data_ptr<double>(), out.size(), out.begin());
  else
    std::copy_n(p.data_ptr<float>(), out.size(), out.begin());
}

std::vector<double> TableModel::predict(std::initializer_list<Row::value_type> row) const {
  return predict(Row(row));
}

std::vector<double> TableModel::predict(const Row& row) const {
  std::vector<double> values;
  std::size_t found = 0;
  for (const data::Feature& f : schema.features) {
    values.push_back(std::numeric_limits<double>::quiet_NaN());
    const auto at = row.find(f.name);
    if (at == row.end()) continue;
    ++found;
    const bool is_word = std::holds_alternative<std::string>(at->second);
    if (is_word != (f.use == data::ColumnUse::category))
      fail<ValueError>("predict", "got a ", is_word ? "word" : "number", " for the column '",
                       f.name, "', expected a ", is_word ? "number" : "word");
    if (is_word) {
      const auto word =
          std::find(f.words.begin(), f.words.end(), std::get<std::string>(at->second));
      values.back() = word == f.words.end() ? -1 : static_cast<double>(word - f.words.begin());
    } else {
      // As a float, like the number of a table.
      values.back() = static_cast<float>(std::get<double>(at->second) - f.shift);
    }
  }
  if (found < row.size()) {
    std::vector<std::string> names;
    for (const data::Feature& f : schema.features) names.push_back(f.name);
    for (const auto& [name, value] : row)
      if (std::find(names.begin(), names.end(), name) == names.end())
        fail<ValueError>("predict", "got the column '", brief(name), "', ",
                         expected_one_of(name, names));
  }
  std::vector<double> out(static_cast<std::size_t>(network.outputs));
  predict_values(values.data(), out);
  return out;
}

namespace {
/// The first layer for inputs where each word of an embedding has a column of its own. An unknown
/// word has 0 in all of them, so its vector becomes part of the bias.
std::pair<Tensor, Tensor> spread_words(const data::Schema& schema,
                                       const std::map<std::string, Tensor>& state,
                                       const Tensor& weight, Tensor bias) {
  std::int64_t inputs = 0, row = 0, table = 0;
  for (const data::Feature& f : schema.features) inputs += f.width() - (f.embedding > 0 ? 1 : 0);
  std::vector<Tensor> parts;
  for (const data::Feature& f : schema.features) {
    const std::int64_t rest = f.width() - (f.embedding > 0 ? 1 : 0);
    if (f.embedding > 0) {
      const Tensor vectors = state.at(to_text("0.", table++, ".weight")).to(kFloat64),
                   none = vectors.slice(0, 0, 1),
                   own = weight.narrow(0, inputs, f.embedding);  // behind the plain inputs
      parts.push_back(matmul(vectors.slice(0, 1) - none, own));
      bias = bias + matmul(none, own).reshape({-1});
      inputs += f.embedding;
    }
    if (rest > 0) parts.push_back(weight.narrow(0, row, rest));
    row += rest;
  }
  return {cat(parts, 0), bias};
}
}  // namespace

std::vector<nn::EmbeddedColumn> embedded_columns(const data::Schema& schema) {
  std::vector<nn::EmbeddedColumn> columns;
  std::int64_t place = 0;
  for (const data::Feature& f : schema.features) {
    if (f.embedding > 0) columns.push_back({place, std::ssize(f.words) + 1, f.embedding});
    place += f.width();
  }
  return columns;
}

void settle_unknown_words(nn::Sequential& net, const data::Schema& schema, const Tensor& inputs) {
  const NoGradGuard guard;
  const auto columns = embedded_columns(schema);
  for (const auto& [name, parameter] : net.parameters())
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (name != to_text("0.", i, ".weight")) continue;
      const Tensor places = inputs.select(1, columns[i].place).to(kInt64);
      if (min(places).item() == 0) continue;
      const Tensor mean = index_select(parameter, 0, places).to(kFloat64).mean({0}).to(kFloat32);
      Tensor(parameter).select(0, 0).copy_(mean);
    }
}

std::vector<DenseLayer> TableModel::layers(std::size_t i) const {
  const auto state = nets.at(i).state_dict();
  std::vector<DenseLayer> all;
  // Of the module in the network, see nn::mlp().
  std::int64_t place = network.embedded.empty() ? 0 : 1;
  const auto part = [&](const char* name) {
    return state.at(to_text(place, ".", name)).to(kFloat64);
  };
  for (std::size_t l = 0; l <= network.hidden.size(); ++l) {
    Tensor weight = part("weight").transpose(0, 1), bias = part("bias");
    if (l == 0 && !network.embedded.empty())
      std::tie(weight, bias) = spread_words(schema, state, weight, bias);
    ++place;
    const bool hidden = l < network.hidden.size();
    if (hidden && network.batch_norm) {
      const Tensor scale = part("weight") / sqrt(part("running_var") + nn::BatchNormOptions().eps);
      weight = weight * scale;
      bias = (bias - part("running_mean")) * scale + part("bias");
      ++place;
    }
    if (hidden) place += network.dropout > 0 ? 2 : 1;
    all.push_back({weight.to(kFloat32).contiguous(), bias.to(kFloat32),
                   hidden ? network.activation : std::string()});
  }
  return all;
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
  for (std::size_t i = 0; i < nets.size(); ++i)
    for (const auto& [name, t] : nets[i].state_dict())
      tensors.emplace(to_text("net.", i, ".", name), t);
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
    model.network.embedded = embedded_columns(model.schema);
    model.notes = json.at("notes").get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception& e) {
    damaged(brief(e.what()));
  } catch (const StateError& e) {
    damaged(brief(e.what()));
  }
  if (model.network.inputs != model.schema.num_inputs() ||
      model.network.outputs != model.schema.num_outputs())
    fail<FileError>("load_model", "got '", path, "' with a network of ", model.network.inputs,
                    " inputs and ", model.network.outputs, " outputs, expected ",
                    model.schema.num_inputs(), " and ", model.schema.num_outputs(),
                    " as its columns need");
  // The layers must fit the weights in the file before they take memory.
  std::int64_t width = model.network.inputs, numbers = 0, stored = 0;
  for (const nn::EmbeddedColumn& c : model.network.embedded) {
    width += c.dim - 1;
    numbers += c.count * c.dim;
  }
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
  std::vector<std::map<std::string, Tensor>> weights;
  for (const auto& [name, t] : file.tensors)
    if (name.starts_with("net.")) {
      const std::size_t dot = name.find('.', 4);
      const std::string member = name.substr(4, dot - 4);
      if (dot == name.npos || member.size() > 4 || parse_number(member).value_or(-1) < 0)
        damaged(to_text("it has the tensor '", brief(name), "'"));
      const auto i = static_cast<std::size_t>(*parse_number(member));
      if (weights.size() <= i) weights.resize(i + 1);
      weights[i].emplace(name.substr(dot + 1), t);
      if (i == 0) stored += t.numel();
    }
  if (weights.empty() || numbers > stored)
    fail<FileError>("load_model", "got '", path, "' with layers larger than its weights");
  try {
    for (const auto& member : weights) {
      model.nets.push_back(nn::mlp(model.network));
      model.nets.back().load_state_dict(member);
      model.nets.back().eval();
    }
  } catch (const Error& e) {
    damaged(brief(e.what(), 500));
  }
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

namespace {
/// Loss and score of a model's predictions.
std::pair<double, double> loss_and_score(const TableModel& model, const Tensor& inputs,
                                         const Tensor& truth) {
  const Tensor p = model.predict(inputs);
  if (!model.schema.target.classes.empty()) {
    const auto m = nn::classification_measures(p, truth, {.resamples = 0});
    return {m[4].value, m[0].value};
  }
  const std::vector<data::Target> targets = model.schema.all_targets();
  double loss = 0, score = 0;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto k = static_cast<std::int64_t>(t);
    const auto m = nn::regression_measures(p.select(1, k), truth.select(1, k), {.resamples = 0});
    loss += std::pow(m[1].value / targets[t].deviation, 2) / static_cast<double>(targets.size());
    score += m[0].value / static_cast<double>(targets.size());
  }
  return {loss, score};
}

/// Mean and standard deviation.
std::pair<double, double> spread_of(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / static_cast<double>(values.size()))};
}
}  // namespace

std::vector<Importance> importance(const TableModel& model, const data::Table& table,
                                   std::int64_t repeats, std::uint64_t seed) {
  if (repeats < 1) fail<ValueError>("importance", "got ", repeats, " repeats, expected 1 or more");
  const Tensor x = model.schema.inputs(table), truth = model.schema.truth(table);
  const auto [loss, score] = loss_and_score(model, x, truth);
  std::vector<Importance> all;
  std::int64_t first = 0;
  Generator random(seed);
  for (const data::Feature& f : model.schema.features) {
    std::vector<double> losses, scores;
    for (std::int64_t i = 0; i < repeats; ++i) {
      Tensor changed = x.clone();
      changed.narrow(1, first, f.width())
          .copy_(x.narrow(1, first, f.width()).index_select(0, randperm(x.size(0), random)));
      const auto [worse, lower] = loss_and_score(model, changed, truth);
      losses.push_back(worse - loss);
      scores.push_back(score - lower);
    }
    first += f.width();
    Importance& one = all.emplace_back(Importance{f.name});
    std::tie(one.loss, one.loss_spread) = spread_of(losses);
    std::tie(one.score, one.score_spread) = spread_of(scores);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Importance& a, const Importance& b) { return a.loss > b.loss; });
  return all;
}

}  // namespace descent
