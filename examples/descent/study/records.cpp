#include "study/records.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;
using Json = nlohmann::ordered_json;

namespace {

double number(const Json& j) { return j.is_null() ? NAN : j.get<double>(); }

/// JSON as text. Names may come from a file in any encoding; bytes that are not UTF-8 are replaced.
std::string text_of(const Json& j, int indent = -1) {
  return j.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const Outcome& r) {
  Json j{{"diverged", r.diverged},
         {"gradient_evaluations", r.gradient_evaluations},
         {"seconds", r.seconds},
         {"validation_loss", r.validation.loss},
         {"validation_score", r.validation.accuracy}};
  if (r.tested) {
    j["test_loss"] = r.test.loss;
    j["test_score"] = r.test.accuracy;
    j["loss_by_epoch"] = r.loss;
    j["score_by_epoch"] = r.score;
  }
  return j;
}

Outcome outcome_of(const Json& j) {
  Outcome r;
  r.diverged = j.at("diverged");
  r.gradient_evaluations = j.at("gradient_evaluations");
  r.seconds = number(j.at("seconds"));
  r.validation = {number(j.at("validation_loss")), number(j.at("validation_score"))};
  r.tested = j.contains("test_loss");
  if (!r.tested) return r;
  r.test = {number(j.at("test_loss")), number(j.at("test_score"))};
  for (const Json& x : j.at("loss_by_epoch")) r.loss.push_back(number(x));
  for (const Json& x : j.at("score_by_epoch")) r.score.push_back(number(x));
  return r;
}

}  // namespace

Records::Records(std::string path, const Json& identity, bool resume)
    : path_(std::move(path)),
      identity_(std::make_unique<Json>(identity)),
      saved_(std::chrono::steady_clock::now()) {
  if (!resume || !std::filesystem::exists(path_)) return;
  Json before;
  try {
    before = Json::parse(read_file(path_));
    for (const auto& [key, run] : before.at("runs").items())
      outcomes_.emplace(key, outcome_of(run));
    before = before.at("identity");
  } catch (const Json::exception& e) {
    fail<FileError>("--resume", "'", path_, "' holds no results of a comparison: ", e.what(),
                    ". Hint: start anew without --resume");
  }
  for (const auto& [name, value] : identity.items())
    if (!before.contains(name) || text_of(before[name]) != text_of(value))
      fail<UsageError>("--resume", "'", path_, "' has ", name, " ",
                       before.contains(name) ? text_of(before[name]) : "none", ", expected ",
                       text_of(value),
                       ". Hint: give another --out, or start anew without --resume");
}

Records::~Records() = default;

const Outcome* Records::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = outcomes_.find(key);
  return found == outcomes_.end() ? nullptr : &found->second;
}

void Records::put(const std::string& key, Outcome outcome) {
  constexpr std::chrono::seconds kEvery{10};
  const std::lock_guard lock(mutex_);
  outcomes_.insert_or_assign(key, std::move(outcome));
  if (std::chrono::steady_clock::now() - saved_ < kEvery) return;
  write_file(path_, text("running", nullptr));
  saved_ = std::chrono::steady_clock::now();
}

void Records::save(const std::string& state, const Json& summary) const {
  const std::lock_guard lock(mutex_);
  write_file(path_, text(state, &summary));
}

std::string Records::text(const std::string& state, const Json* summary) const {
  // One line for each run, so that people can read the file and compare it with another.
  std::string s = to_text(
      "{\n\"state\": ", text_of(state), ",\n\"identity\": ", text_of(*identity_, 2),
      ",\n\"summary\": ", summary != nullptr ? text_of(*summary, 2) : "null", ",\n\"runs\": {\n");
  bool first = true;
  for (const auto& [key, outcome] : outcomes_) {
    s += to_text(first ? "" : ",\n", text_of(key), ": ", text_of(json_of(outcome)));
    first = false;
  }
  return s + "\n}\n}\n";
}

}  // namespace app
