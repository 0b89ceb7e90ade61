// The protocol of a comparison. One part of the data is held out for the test, for all. Each seed
// splits the rest into training and validation data, and sets initial weights and the order of
// batches, the same for every optimizer. Each optimizer has the same number of trials; validation
// data chooses among them, over seeds of its own. The chosen settings, and the defaults, run again
// with fresh seeds, and are tested once. A sweep shows what a wrong rate costs.
#pragma once

#include "study/records.h"
#include "study/search.h"

namespace app {

/// The runs of one setting, over seeds.
struct Tried {
  Settings settings;
  std::vector<Outcome> runs;
};

/// Higher mean score on validation data; of equals, the lower mean loss. A diverged run is worst.
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
  /// The settings that the search chose, and behind these the settings that the options gave.
  Settings chosen() const;
};

/// One data set.
struct Contest {
  std::string name;
  bool classification = true;
  std::int64_t classes = 0, samples = 0, features = 0, tested = 0;
  double commonest = 0;  // class's share of the test data
  std::vector<Contender> contenders;
};

/// A data set, and what --data calls it.
struct Source {
  std::string data;
  descent::data::Dataset set;
};

struct Study {
  std::vector<Contest> contests;
  std::string state = "complete";  // or "interrupted", "out of time"
  std::size_t runs = 0;            // that are done
  double seconds = 0;
};

inline constexpr int kTuningSeeds = 3;
inline constexpr std::uint64_t kFirstTuningSeed = 1000;  // after the seed of the options

/// The data sets of --data, one or several.
std::vector<Source> load_all(const Options& o);
/// What every run depends on, for Records.
nlohmann::ordered_json identity_of(const Options& o, const std::vector<Source>& sources);
/// Runs what is not in the records yet. Stops early, with what is complete, when `interrupted`
/// says so or the time is over.
Study run_study(const Options& o, const std::vector<Entrant>& entrants,
                const std::vector<Source>& sources, Records& records,
                const std::function<bool()>& interrupted);

}  // namespace app
