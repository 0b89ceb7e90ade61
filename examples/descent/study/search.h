// Who takes part in a comparison, and what is searched for each: settings spread evenly in
// logarithm over a box, by a sequence of which every beginning is evenly spread too.
#pragma once

#include "run/optimizer.h"

namespace app {

/// A setting that is searched, uniform in its logarithm from low to high.
struct Dimension {
  std::string name;
  double low, high;
  bool from_one = false;  // 1 − value is what is spread: momentum, beta1
};

struct Entrant {
  std::string name;
  std::string description;  // "{rho}" stands where the value of rho goes
  double swa = 0;           // averaged from this share of the run on
  std::vector<Dimension> space;
  Settings defaults;
  Settings given{};  // by --lr and --set, to be named beside what was chosen

  /// Trial 0 has the defaults; 1, 2, … follow Roberts' R sequence (2018), the additive recurrence
  /// of the generalised golden ratio.
  Settings trial(std::size_t i) const;
  std::size_t trials(std::size_t budget) const { return space.empty() ? 1 : budget; }
  /// "lr 0.001–3, 1 − momentum 0.02–1"
  std::string space_text() const;
  /// Those of the settings that lie within a tenth of their range from its end.
  std::string at_edge(const Settings& settings) const;
};

/// Those that the options name: all of the article, or a list; "all" is every rule that goes with
/// any network. A setting that is given is not searched. Of those that nobody named, the ones that
/// cannot go into what the options put around them, as SAM into --sam, are left out.
std::vector<Entrant> entrants_of(const Options& o);

/// The options for one run.
Options options_for(const Options& o, const Entrant& e, const Settings& settings,
                    std::uint64_t seed);

/// Whether tuning `outer` could have found all that `inner` can do, so that it should not end below
/// it: momentum contains SGD, AdamW contains Adam, a wrapper what it goes around. Adam contains
/// momentum too, for a large enough eps (Choi et al., arXiv:1910.05446).
bool contains(const std::string& outer, const std::string& inner);

/// "a, f(b, c)" at the commas outside parentheses.
std::vector<std::string> split_list(const std::string& text);

}  // namespace app
