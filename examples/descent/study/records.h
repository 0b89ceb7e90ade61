// The finished runs of a comparison. Each run has a key, made of everything that determines the
// run. The runs are kept in results.json, so that a comparison that was stopped can go on.
#pragma once

#include "run/training.h"

#include <chrono>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>

namespace app {

/// The results of a finished run.
struct Outcome {
  Score validation, test;  // at the end of the run; `test` only if the run was tested
  bool tested = false, diverged = false;
  std::int64_t gradient_evaluations = 0;
  double seconds = 0;               // of training
  std::vector<double> loss, score;  // on validation data after each epoch, if the run was tested
  // The test in up to 256 parts, the same in all runs: each part's mean of what makes up the score.
  std::vector<double> parts;
};

class Records {
 public:
  /// `identity` is everything that all runs depend on, by name. If `resume` is true and the file
  /// `path` exists, the constructor reads the runs from the file. Throws UsageError if the file has
  /// another identity, and FileError if the file holds no results of a comparison.
  Records(std::string path, const nlohmann::ordered_json& identity, bool resume);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  /// The run with this key, or null if the run is not finished. The pointer stays valid.
  const Outcome* find(const std::string& key) const;
  /// Keeps a finished run. Writes the file if it was last written ten seconds ago or earlier.
  /// Any thread may call put().
  void put(const std::string& key, Outcome outcome);
  /// Writes the file, with the state of the comparison and its conclusions.
  void save(const std::string& state, const nlohmann::ordered_json& summary) const;

 private:
  std::string text(const std::string& state, const nlohmann::ordered_json* summary) const;

  std::string path_;
  std::unique_ptr<nlohmann::ordered_json> identity_;
  std::map<std::string, Outcome> outcomes_;
  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point saved_;
};

}  // namespace app
