// The optimizer of a run: schedules, settings, the description of an optimizer, and how it is made.
// Other files look up rules through this file. Only `descent explain` reads the library's cards
// itself.
#pragma once

#include "run/options.h"

#include <span>
#include <utility>

namespace app {

/// A schedule of the learning rate over a whole run.
struct Schedule {
  const char *name, *help;
  /// The learning rate at each of `steps` steps; `lr` is the rate that the user gives.
  descent::optim::Hyper (*make)(double lr, std::int64_t steps);
  bool by_validation = false;  // true: if the validation loss stops falling, the rate is lowered
};

/// Every schedule that --schedule takes.
std::span<const Schedule> schedules();

/// Settings of an optimizer, as names and values.
using Settings = std::vector<std::pair<std::string, double>>;
/// Settings as text: "lr=0.001 beta1=0.9".
std::string to_string(const Settings& settings);
/// The learning rate among the settings, or null if the settings have none.
const double* rate_of(const Settings& settings);

/// The settings that --set gives, in the order of the command line. The values true and false count
/// as 1 and 0. Throws UsageError for a text that is not name=number, and for the learning rate,
/// which the option --lr gives.
Settings given_settings(const Options& o);

/// A description of an optimizer, as --optimizer takes it: "sam(adamw(lr=0.1), rho=0.05)". The
/// constructor parses the text and looks up the names, once; the other members read the result.
class Described {
 public:
  /// Throws ValueError if the text cannot be parsed, or names an unknown rule or wrapper.
  explicit Described(const std::string& text);

  /// The text as it was parsed.
  const descent::optim::Expression& expression() const { return expression_; }
  /// The name of the outermost wrapper, or of the rule if there is no wrapper: "sam".
  const std::string& outermost() const { return expression_.text; }
  /// How many arguments outermost() has in the text, including the optimizer inside: 2.
  std::size_t arguments() const { return expression_.arguments.size(); }
  /// True if the text gives the learning rate of the rule.
  bool has_rate() const { return has_rate_; }
  bool takes_rate() const;  ///< true if the rule has a rate, whether the text gives it or not
  /// The default learning rate of the rule; 0 if the rule has no learning rate.
  double default_rate() const;
  /// The settings of the rule whose default is a number, with their defaults.
  Settings defaults() const;

 private:
  descent::optim::Expression expression_;
  const descent::optim::Entry* rule_;
  bool has_rate_ = false;
};

/// The names of all rules, without wrappers.
std::vector<std::string> rule_names();

/// Makes the optimizer that the options describe, over these parameters. `steps` is the length of
/// the run, over which schedules extend. The options can add wrappers. From the inside to the
/// outside their order is --clip-value, --clip-norm, --sam, --ema, --swa. Throws UsageError if both
/// the description and the options give a learning rate or a schedule. Throws ValueError if the
/// library refuses the description or a setting.
descent::optim::Optimizer make_optimizer(const Options& o, const descent::Parameters& parameters,
                                         std::int64_t steps);

}  // namespace app
