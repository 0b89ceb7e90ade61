// The protocol of a comparison:
//
// 1. One part of the data is held out for the test, the same part in all runs.
// 2. A seed splits the rest into training and validation data. The seed also sets initial weights
// and
//    the order of batches. Runs with the same seed share all three, whatever the optimizer.
// 3. Search: each optimizer has the same number of trials, each with the same few seeds. The trial
//    with the best score on validation data is chosen.
// 4. Test: the chosen settings and the default settings run again with fresh seeds. Only these runs
//    see the test data. So does a linear model, for comparison.
// 5. Sweep: the chosen settings run at other learning rates, to show what a wrong rate costs.
#pragma once

#include "study/records.h"
#include "study/search.h"

namespace app {

/// Some settings and their runs, one run for each seed.
struct Tried {
  Settings settings;
  std::vector<Outcome> runs;
};

/// True if a has the higher mean score on validation data, or the same mean score and the lower
/// mean loss. A run that diverged makes the mean −∞.
bool better(const Tried& a, const Tried& b);

/// What an optimizer did on one data set.
struct Contender {
  Entrant entrant;
  std::vector<Tried> trials;  // of the rounds that every contender completed
  std::size_t best = 0;       // index of the chosen trial
  Tried tuned, defaults;      // chosen settings and default settings, with fresh seeds, tested
  std::vector<Tried> sweep;   // the chosen settings at other rates

  /// How many runs of the trials diverged.
  std::size_t diverged() const;
  /// The settings that the search chose, followed by the settings that the options gave.
  Settings chosen() const;
};

/// All contenders on one data set.
struct Contest {
  std::string name;
  bool classification = true;
  std::int64_t classes = 0, samples = 0, features = 0, tested = 0;
  double commonest = 0;  // share of the commonest class in the test data
  std::vector<Contender> contenders;
  Tried linear{};  // linear or logistic regression, with the fresh seeds, tested
};

/// A data set, and the text of --data that names it.
struct Source {
  std::string data;
  Learnable from;
  descent::data::Schema schema;  // of all rows
  descent::data::Dataset set;    // of all rows
};

/// The whole comparison.
struct Study {
  std::vector<Contest> contests;
  std::string state = "complete";  // or "interrupted", "out of time"
  std::size_t runs = 0;            // how many runs are finished
  double seconds = 0;
};

inline constexpr int kTuningSeeds = 3;
inline constexpr std::uint64_t kFirstTuningSeed = 1000;  // added to --seed

/// The rows for the test, the same for all runs, and all others.
struct Held {
  descent::Tensor rest, test;
};
Held held_rows(const Options& o, const Source& source);
/// What a linear model is called on this data.
inline const char* name_of_linear(bool classification) {
  return classification ? "logistic regression" : "linear regression";
}
/// The options of `descent train` that train an optimizer of the comparison at some settings.
Options recipe_of(const Options& o, const Source& source, const Contender& who);

/// Reads the data sets that --data names, one or several. Throws UsageError if two data sets have
/// the same name. Also throws the errors of load_data().
std::vector<Source> load_all(const Options& o);
/// Everything that all runs depend on, by name. Records compares it before a stopped comparison
/// goes on.
nlohmann::ordered_json identity_of(const Options& o, const std::vector<Source>& sources);
/// Runs the comparison, leaving out every run that the records already hold. If `interrupted`
/// returns true or the time limit is over, the comparison stops early. The result then holds the
/// complete parts.
Study run_study(const Options& o, const std::vector<Entrant>& entrants,
                const std::vector<Source>& sources, Records& records,
                const std::function<bool()>& interrupted);

}  // namespace app
