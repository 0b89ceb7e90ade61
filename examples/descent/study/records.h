// The runs of a comparison that are done, by what determines them. They live in results.json, so
// that a comparison that was stopped goes on where it was.
#pragma once

#include "run/training.h"

#include <chrono>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>

namespace app {

/// What is kept of a run.
struct Outcome {
  Score validation, test;  // at the end; test is kept of those that are tested
  bool tested = false, diverged = false;
  std::int64_t gradient_evaluations = 0;
  double seconds = 0;               // of training
  std::vector<double> loss, score;  // on validation data after each epoch, of those tested
};

class Records {
 public:
  /// `identity` is what all runs depend on. Reads `path` when told to resume and it exists; throws
  /// UsageError if its identity is another, FileError if it is no such file.
  Records(std::string path, const nlohmann::ordered_json& identity, bool resume);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  /// Null for a run that is not done. What is found is not moved or removed.
  const Outcome* find(const std::string& key) const;
  /// Keeps a run, and writes the file when the last writing is some seconds ago. Any thread.
  void put(const std::string& key, Outcome outcome);
  /// Writes the file, with what was concluded under "summary".
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
