// The entrants of a comparison: which optimizers take part, and which settings are searched for
// each. The searched settings span a box, and each trial is a point in the box. The points are
// spread evenly over the logarithms of the settings. For every n, the first n points are spread
// evenly.
#pragma once

#include "run/optimizer.h"

namespace app {

/// A setting that is searched. Its logarithm is uniform between log(low) and log(high).
struct Dimension {
  std::string name;
  double low, high;
  bool from_one = false;  // true for momentum and beta1: 1 − value lies from `low` to `high`
};

/// An optimizer that takes part in a comparison.
struct Entrant {
  std::string name;
  std::string description;  // as for --optimizer; "{rho}" stands where the value of rho goes
  double swa = 0;           // weights are averaged from this share of the run on; 0 for never
  std::vector<Dimension> space;
  Settings defaults;
  Settings given{};  // by --lr and --set; the answer names these beside the chosen settings

  /// The settings of trial i. Trial 0 has the defaults. Trials 1, 2, … follow Roberts' R sequence
  /// (2018), the additive recurrence of the generalised golden ratio.
  Settings trial(std::size_t i) const;
  /// How many trials the entrant has: the budget, or 1 if nothing is searched.
  std::size_t trials(std::size_t budget) const { return space.empty() ? 1 : budget; }
  /// The box for people: "lr 0.001–3, 1 − momentum 0.02–1".
  std::string space_text() const;
  /// The names of settings that lie in the lowest or highest tenth of their range: "lr, rho".
  std::string at_edge(const Settings& settings) const;
};

/// The optimizers that --optimizers names. Without --optimizers, returns the twelve best-known
/// optimizers. "all" stands for every rule that can train any network. If the options give a
/// setting, the setting is not searched. The options can put wrappers around every optimizer. If a
/// wrapper refuses an optimizer that the user did not name, as --sam refuses sam(adamw), the
/// optimizer is left out.
std::vector<Entrant> entrants_of(const Options& o);

/// The options for one run of an entrant.
Options options_for(const Options& o, const Entrant& e, const Settings& settings,
                    std::uint64_t seed);

/// True if `outer` can do all that `inner` does, at the right settings. Then a tuned `outer` should
/// not end below `inner`. Momentum contains SGD, AdamW contains Adam, and a wrapper contains the
/// optimizer inside. Adam contains momentum, at a large eps (Choi et al., arXiv:1910.05446).
bool contains(const std::string& outer, const std::string& inner);

/// Splits a text at commas outside parentheses: "a, f(b, c)" gives "a" and "f(b, c)".
std::vector<std::string> split_list(const std::string& text);

}  // namespace app
