// A schema as JSON, for the file of a model.
#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/data/schema.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace descent::data {

std::string Schema::to_json() const {
  using nlohmann::json;
  json columns = json::array();
  for (const Feature& f : features) {
    json c{{"name", f.name}, {"gaps", f.has_gaps}, {"fill", f.fill}};
    if (f.use == ColumnUse::category) {
      c["words"] = f.words;
      c["embedding"] = f.embedding;
    } else {
      c["shift"] = f.shift;
      c["mean"] = f.mean;
      c["deviation"] = f.deviation;
      c["smooth_clip"] = f.smooth_clip;
    }
    columns.push_back(std::move(c));
  }
  json targets = json::array();
  for (const Target& one : all_targets()) {
    json t{{"name", one.name}};
    if (one.classes.empty()) {
      t["shift"] = one.shift;
      t["mean"] = one.mean;
      t["deviation"] = one.deviation;
    } else {
      t["classes"] = one.classes;
    }
    targets.push_back(std::move(t));
  }
  return json{{"columns", columns},
              {"targets", targets},
              {"left_out", left_out},
              {"header", has_header},
              {"decimal", std::string(1, decimal)}}
      .dump();
}

Schema Schema::from_json(std::string_view text) {
  Schema s;
  try {
    const auto json = nlohmann::json::parse(text);
    for (const auto& c : json.at("columns")) {
      Feature f{c.at("name").get<std::string>()};
      f.has_gaps = c.at("gaps").get<bool>();
      f.fill = c.at("fill").get<double>();
      if (c.contains("words")) {
        f.use = ColumnUse::category;
        f.words = c["words"].get<std::vector<std::string>>();
        f.embedding = c.at("embedding").get<std::int64_t>();
      } else {
        f.shift = c.at("shift").get<double>();
        f.mean = c.at("mean").get<double>();
        f.deviation = c.at("deviation").get<double>();
        f.smooth_clip = c.at("smooth_clip").get<bool>();
      }
      const bool sound = f.use == ColumnUse::category
                             ? !f.words.empty() && f.fill >= 0 &&
                                   f.fill < static_cast<double>(f.words.size()) &&
                                   f.embedding >= 0 && f.embedding <= 1024
                             : std::isfinite(f.shift + f.mean + f.fill) && f.deviation > 0 &&
                                   std::isfinite(f.deviation);
      if (!sound)
        fail<StateError>("schema", "got the column '", brief(f.name),
                         "' with numbers that make no sense");
      s.features.push_back(std::move(f));
    }
    std::vector<Target> targets;
    for (const auto& t : json.at("targets")) {
      Target& one = targets.emplace_back(Target{t.at("name").get<std::string>()});
      if (t.contains("classes")) {
        one.classes = t["classes"].get<std::vector<std::string>>();
        continue;
      }
      one.shift = t.at("shift").get<double>();
      one.mean = t.at("mean").get<double>();
      one.deviation = t.at("deviation").get<double>();
      if (!std::isfinite(one.shift + one.mean + one.deviation))
        fail<StateError>("schema", "got the target '", brief(one.name),
                         "' with numbers that make no sense");
    }
    const auto classes = std::count_if(targets.begin(), targets.end(),
                                       [](const Target& t) { return !t.classes.empty(); });
    if (targets.empty() || (classes > 0 && targets.size() > 1))
      fail<StateError>("schema", "got ", targets.size(), " targets, ", classes,
                       " of classes, expected one, or several of numbers");
    s.target = targets[0];
    s.more_targets.assign(targets.begin() + 1, targets.end());
    s.left_out = json.at("left_out").get<std::vector<std::string>>();
    s.has_header = json.at("header").get<bool>();
    const auto mark = json.at("decimal").get<std::string>();
    s.decimal = mark == "," ? ',' : '.';
  } catch (const nlohmann::json::exception& e) {
    fail<StateError>("schema", "got text that is no schema: ", brief(e.what()));
  }
  return s;
}

}  // namespace descent::data
