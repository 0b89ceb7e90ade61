// What a rule or wrapper says about itself: its card, the legal values of its settings, the numbers
// that it keeps.
#pragma once

#include <limits>
#include <string>
#include <string_view>

namespace descent::optim {

/// The legal values of a setting: an interval, whose ends may belong to it or not.
struct Range {
  double low, high;
  bool low_open = false, high_open = true;

  /// Whether x is legal. NaN never is.
  bool holds(double x) const {
    return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
  std::string text() const;  ///< as in "[0, 1)"
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Ranges that many settings have: [0, ∞), (0, ∞), [0, 1) and [0, 1].
inline constexpr Range kNonNegative{0, kInfinity}, kPositive{0, kInfinity, true}, kUnit{0, 1},
    kClosedUnit{0, 1, false, false};

/// What a reader wants to know before choosing a rule or wrapper. `descent explain` prints it, and
/// the table in optim/README.md is made of it.
struct Card {
  std::string_view name = {};       ///< as in text: "adamw". Required; the other parts may be empty
  std::string_view title = {};      ///< "AdamW"
  std::string_view formula = {};    ///< one line, in the paper's symbols
  std::string_view paper = {};      ///< authors, year, arXiv number
  std::string_view when = {};       ///< what to use it for
  std::string_view avoid = {};      ///< what not to use it for
  std::string_view traps = {};      ///< mistakes that others have made with it
  int state = 0;                    ///< numbers kept for each number of the model, at the defaults
  double gradient_evaluations = 1;  ///< evaluations of the gradient in a step
  bool basic = false;               ///< one of the dozen that a comparison begins with
};

/// A number that a rule keeps for each parameter, beside its slots.
struct Number {
  const char* name;  ///< its name in a saved state
  double start;      ///< its value before the first step
};

/// A rule or wrapper with other settings under a name of its own: "nesterov" is SGD with momentum
/// and look-ahead. Parts of the card that are empty are those of the rule.
template <class T>
struct Preset {
  std::string name;
  T value;
  Card card;
};

}  // namespace descent::optim
