// What a rule or wrapper says about itself: its card, the legal values of its settings, its numbers
// and its presets.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace descent::optim {

/// The legal values of a setting: an interval. If both flags keep their defaults, the interval is
/// [low, high).
struct Range {
  double low, high;                         ///< the ends of the interval
  bool low_open = false, high_open = true;  ///< true if the end itself is not legal

  /// Returns true if x lies in the interval. NaN lies in no interval.
  bool holds(double x) const {
    return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
  std::string text() const;  ///< the interval as text: "[0, 1)"
};

/// Positive infinity: the end of a range that has no upper bound.
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// @name Ranges that many settings have
/// @{

/// A range for `fields`. kNonNegative is [0, ∞), kPositive is (0, ∞), kUnit is [0, 1),
/// kClosedUnit is [0, 1] and kCount, for counts from 1 on, is [1, 1e15).
inline constexpr Range kNonNegative{0, kInfinity}, kPositive{0, kInfinity, true}, kUnit{0, 1},
    kClosedUnit{0, 1, false, false}, kCount{1, 1e15};
/// @}

/// What a reader wants to know before choosing a rule or wrapper. `descent explain` prints the
/// card. The table in optim/README.md is made of all cards. Every part but the name may be empty.
struct Card {
  std::string_view name = {};     ///< required: the name in text and in saved states, "adamw"
  std::string_view title = {};    ///< a heading: "AdamW"
  std::string_view formula = {};  ///< the update in one line, in the paper's symbols
  std::string_view paper = {};    ///< authors, year, arXiv number
  std::string_view when = {};     ///< what to use it for
  std::string_view avoid = {};    ///< what not to use it for
  std::string_view traps = {};    ///< mistakes that users make
  int state = 0;                  ///< numbers kept for each weight, at the default settings
  /// The most weights that the rule takes, because it keeps a number for each pair; 0: any number.
  std::int64_t most_weights = 0;
  bool full_batch = false;  ///< true if every step needs the loss of all data, not of a batch
  double gradient_evaluations = 1;  ///< gradient evaluations in a step, on average
  bool basic = false;  ///< true for a textbook optimizer: a comparison begins with these
};

/// A number that a rule keeps for each parameter. A slot, in contrast, keeps a number for each
/// weight.
struct Number {
  const char* name;  ///< the name in a saved state
  double start;      ///< the value before the first step
};

/// A rule or wrapper with other default settings, under a name of its own. "nesterov" is a preset
/// of SGD with momentum 0.9 and `nesterov` on. A built-in rule T lists its presets in `static
/// std::vector<Preset<T>> presets()`.
template <class T>
struct Preset {
  std::string name;  ///< the name in text: "nesterov"
  T value;           ///< the rule with its settings
  Card card;         ///< parts that differ from the rule's card; an empty part is that of the rule
};

}  // namespace descent::optim
