#include "study/records.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

namespace app {

using namespace descent;
using Json = nlohmann::ordered_json;

namespace {

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
    j["test_parts"] = r.parts;
  }
  return j;
}

/// The number of a run that has this name in the file; null if there is none.
double* number_of(Outcome& r, const std::string& name) {
  return name == "seconds"            ? &r.seconds
         : name == "validation_loss"  ? &r.validation.loss
         : name == "validation_score" ? &r.validation.accuracy
         : name == "test_loss"        ? &r.test.loss
         : name == "test_score"       ? &r.test.accuracy
                                      : nullptr;
}
std::vector<double>* list_of(Outcome& r, const std::string& name) {
  return name == "loss_by_epoch"    ? &r.loss
         : name == "score_by_epoch" ? &r.score
         : name == "test_parts"     ? &r.parts
                                    : nullptr;
}

/// Reads results as they come by. No tree is built: nesting costs no stack, and what nobody needs
/// costs no memory.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(const Json& expected, std::map<std::string, Outcome>& outcomes)
      : identity_(expected), outcomes_(outcomes) {}

  std::map<std::string, std::string> identity;  // as text; names of the present identity alone
  std::string fault;                            // why the file holds no results

  bool start_object(std::size_t) override { return open(false); }
  bool end_object() override {
    --depth_;
    return depth_ != kSection || keys_[kFile] != "runs" || finish_run();
  }
  bool start_array(std::size_t) override { return open(true); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(std::string& text) override {
    if (depth_ > kRun) return true;
    keys_[depth_] = text;
    const bool again =
        depth_ == kFile  ? (text == "identity" || text == "runs") && !sections_.insert(text).second
        : depth_ == kRun ? in("runs") && is_field(text) && !fields_.insert(text).second
        : in("runs")     ? outcomes_.contains(text)
                         : in("identity") && identity.contains(text);
    if (again) fault = to_text("it has '", brief(text), "' twice");
    return !again;
  }
  bool null() override { return number(NAN, "null"); }
  bool number_float(double x, const std::string& text) override { return number(x, text); }
  bool number_integer(std::int64_t n) override {
    return number(static_cast<double>(n), to_text(n));
  }
  bool number_unsigned(std::uint64_t n) override {
    constexpr std::uint64_t kMost = 1'000'000'000'000'000;
    if (depth_ != kRun || !in("runs") || keys_[kRun] != "gradient_evaluations")
      return number(static_cast<double>(n), std::to_string(n));
    if (n > kMost) return refuse("a count above 1e15");
    run_.gradient_evaluations = static_cast<std::int64_t>(n);
    return true;
  }
  bool boolean(bool b) override {
    if (depth_ != kRun || !in("runs") || keys_[kRun] != "diverged")
      return other(b ? "true" : "false");
    run_.diverged = b;
    return true;
  }
  bool string(std::string& text) override { return other(json_text(text)); }
  bool binary(binary_t&) override { return other("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::json::exception&) override {
    fault = to_text("it is no JSON from byte ", at, " on");
    return false;
  }
  /// Says what is missing at the end.
  bool finish() {
    if (fault.empty() && !sections_.contains("identity")) fault = "it has no identity";
    if (fault.empty() && !sections_.contains("runs")) fault = "it has no runs";
    return fault.empty();
  }

 private:
  // How deep a key lies: in the file, in one of its sections, in a run. Values of a list lie
  // deeper.
  enum Depth : std::size_t { kFile = 1, kSection, kRun, kList };
  static constexpr std::size_t kMostEpochs = std::size_t{1} << 20;

  bool in(const char* section) const { return keys_[kFile] == section; }
  bool is_field(const std::string& name) {
    return number_of(run_, name) || list_of(run_, name) || name == "diverged" ||
           name == "gradient_evaluations";
  }
  bool open(bool list) {
    const std::size_t depth = depth_++;
    if (depth == 0 && list) return refuse_file("a list");
    if (depth == kFile && list && (in("runs") || in("identity"))) return refuse("a list");
    if (depth == kSection && in("identity")) return other(list ? "a list" : "an object");
    if (depth == kSection && in("runs")) {
      run_ = {};
      fields_.clear();
      return list ? refuse("a list") : true;
    }
    if (depth < kRun || !in("runs") || !is_field(keys_[kRun])) return true;
    return list && depth == kRun && list_of(run_, keys_[kRun])
               ? true
               : refuse(list ? "a list" : "an object");
  }
  /// A number; NaN stands for null.
  bool number(double x, const std::string& text) {
    if (!in("runs")) return other(text);
    if (std::vector<double>* list = depth_ == kList ? list_of(run_, keys_[kRun]) : nullptr) {
      if (list->size() == kMostEpochs) return refuse("too long a list");
      list->push_back(x);
      return true;
    }
    double* const to = depth_ == kRun ? number_of(run_, keys_[kRun]) : nullptr;
    if (!to) return other(text);
    *to = x;
    return true;
  }
  /// A value that is part of the identity, that nobody needs, or that is wrong where it is.
  bool other(std::string text) {
    if (depth_ == 0) return refuse_file(text);
    if (depth_ == kFile && (in("runs") || in("identity"))) return refuse(text);
    if (depth_ >= kSection && in("identity")) {
      if (identity_.contains(keys_[kSection])) identity.emplace(keys_[kSection], std::move(text));
      return true;
    }
    if (depth_ == kSection && in("runs")) return refuse(text);
    return depth_ >= kRun && in("runs") && is_field(keys_[kRun]) ? refuse(text) : true;
  }
  bool finish_run() {
    run_.tested = fields_.contains("test_loss");
    for (const char* name :
         {"diverged", "gradient_evaluations", "seconds", "validation_loss", "validation_score",
          "test_loss", "test_score", "loss_by_epoch", "score_by_epoch", "test_parts"}) {
      if (!run_.tested && name == std::string_view("test_loss")) break;
      if (!fields_.contains(name)) {
        fault = to_text("its run '", brief(keys_[kSection]), "' has no ", name);
        return false;
      }
    }
    outcomes_.emplace(keys_[kSection], std::move(run_));
    return true;
  }
  bool refuse_file(const std::string& text) {
    fault = to_text("it is ", brief(text), ", not an object");
    return false;
  }
  bool refuse(const std::string& what) {
    fault = "its ";
    for (std::size_t d = kFile; d <= std::min<std::size_t>(depth_, kRun); ++d)
      fault += to_text(d == kFile ? "'" : " / ", brief(keys_[d]));
    fault += to_text("' is or holds ", brief(what));
    return false;
  }

  const Json& identity_;
  std::map<std::string, Outcome>& outcomes_;
  std::size_t depth_ = 0;
  std::array<std::string, kList> keys_;  // the last key at each depth
  std::set<std::string> sections_, fields_;
  Outcome run_;
};

/// True if a text between quotes has more than 64 KiB. The parser would copy it more than once.
bool has_long_text(std::string_view json) {
  constexpr std::size_t kMost = 65536;
  std::size_t start = std::string_view::npos;  // of the text that is being read
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (start == std::string_view::npos) {
      if (json[at] == '"') start = at;
    } else if (at - start > kMost) {
      return true;
    } else if (json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      start = std::string_view::npos;
    }
  }
  return false;
}

}  // namespace

Records::Records(std::string path, const Json& identity, bool resume)
    : path_(std::move(path)),
      identity_(std::make_unique<Json>(identity)),
      saved_(std::chrono::steady_clock::now()) {
  std::error_code error;
  if (!resume || (!std::filesystem::exists(path_, error) && !error)) return;
  Reader reader(identity, outcomes_);
  const std::string file = read_file(path_);
  if (has_long_text(file)) reader.fault = "it has a text of more than 65536 bytes";
  if (!reader.fault.empty() || !Json::sax_parse(file, &reader) || !reader.finish())
    fail<FileError>("--resume", "'", path_, "' holds no results of a comparison: ", reader.fault,
                    ". Hint: start anew without --resume");
  for (const auto& [name, value] : identity.items()) {
    const auto before = reader.identity.find(name);
    const std::string was = before == reader.identity.end() ? "none" : before->second;
    if (was != json_text(value))
      fail<UsageError>("--resume", "'", path_, "' has ", name, " ", brief(was), ", expected ",
                       brief(json_text(value)),
                       ". Hint: give another --out, or start anew without --resume");
  }
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
      "{\n\"state\": ", json_text(state), ",\n\"identity\": ", json_text(*identity_, 2),
      ",\n\"summary\": ", summary != nullptr ? json_text(*summary, 2) : "null", ",\n\"runs\": {\n");
  bool first = true;
  for (const auto& [key, outcome] : outcomes_) {
    s += to_text(first ? "" : ",\n", json_text(key), ": ", json_text(json_of(outcome)));
    first = false;
  }
  return s + "\n}\n}\n";
}

}  // namespace app
