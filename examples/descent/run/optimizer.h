// The optimizer of a run. All that the program knows of optimizers by name stands here, but for the
// cards that `descent explain` prints.
#pragma once

#include "run/options.h"

#include <span>
#include <utility>

namespace app {

/// A schedule of the learning rate over a whole run.
struct Schedule {
  const char *name, *help;
  descent::optim::Hyper (*make)(double lr, std::int64_t steps);
  bool by_validation = false;  // the rate also falls where the validation loss stops falling
};

/// Every schedule that --schedule takes.
std::span<const Schedule> schedules();

/// Settings by name. Values have the digits that are printed, so that what is read is what was run.
using Settings = std::vector<std::pair<std::string, double>>;
/// "lr=0.001 beta1=0.9"
std::string to_string(const Settings& settings);
/// Where the learning rate stands among the settings, or null if they have none.
const double* rate_of(const Settings& settings);

/// What --set gives, in its order; true counts as 1 and false as 0.
/// Throws UsageError for what is not name=number, and for the learning rate, which is --lr.
Settings given_settings(const Options& o);

/// An optimizer as --optimizer describes it: "sam(adamw(lr=0.1), rho=0.05)". The constructor parses
/// the text once and looks the rule up once; all else reads what it found.
class Described {
 public:
  /// Throws ValueError for a text that is no description, or a rule that nobody knows.
  explicit Described(const std::string& text);

  /// The name outside: "sam".
  const std::string& outermost() const { return expression_.text; }
  /// How many arguments the name outside has, the optimizer inside included: 2.
  std::size_t arguments() const { return expression_.arguments.size(); }
  /// True if the text itself gives the learning rate of the rule.
  bool has_rate() const { return has_rate_; }
  /// The learning rate of the rule by default; 0 if the rule has none.
  double default_rate() const;
  /// Those of the rule's settings that are numbers, at their defaults.
  Settings defaults() const;

 private:
  descent::optim::Expression expression_;
  const descent::optim::Entry* rule_;
  bool has_rate_ = false;
};

/// The names of all rules, without wrappers.
std::vector<std::string> rule_names();

/// Makes the optimizer that the options describe over these parameters. Around it go, from inside
/// to outside: clipping by value, clipping by norm, SAM, the moving average, the average from a
/// point on. `steps` is the length of the run, over which schedules extend.
/// Throws UsageError if the text has a learning rate and the options have one too, ValueError for
/// what the library refuses.
descent::optim::Optimizer make_optimizer(const Options& o, const descent::Parameters& parameters,
                                         std::int64_t steps);

}  // namespace app
