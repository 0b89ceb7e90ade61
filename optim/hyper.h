// Hyper: a setting of a rule or wrapper, which is a number or a function of the step. A schedule
// goes on any of them: AdamW{.lr = cosine(1e-3, 1000), .weight_decay = ramp(0, 0.1, 500)}.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace descent::optim {

/// When a rule is evaluated, and what it knows beside the weights.
struct Step {
  std::int64_t t;                ///< updates of this parameter, this one included: 1, 2, …
  std::int64_t schedule;         ///< steps of the optimizer before this one: 0, 1, …
  double* numbers = nullptr;     ///< the rule's own numbers of this parameter, to read and to write
  const double* sums = kNoSums;  ///< what measure() summed; NaN without a measure()

  static constexpr double kNoSums[] = {
      __builtin_nan(""), __builtin_nan(""), __builtin_nan(""),
      __builtin_nan("")};  ///< sums of a rule that measures nothing
};

/// A function of the step, which counts from 0, with its text. See <descent/optim/schedule.h>.
struct Schedule {
  std::function<double(std::int64_t)> at;  ///< the value at a step; any step, in any order
  std::string text;                        ///< "cosine(0.001, 1000)", as printed

  double operator()(std::int64_t step) const { return at(step); }  ///< the value at a step
};

/// A number or a schedule.
class Hyper {
 public:
  Hyper(double value) : value_(value) {}                                            ///< a number
  Hyper(Schedule s) : schedule_(std::make_shared<const Schedule>(std::move(s))) {}  ///< a schedule

  /// The value at a step of the optimizer.
  double operator()(std::int64_t step) const { return schedule_ ? (*schedule_)(step) : value_; }
  double operator()(const Step& step) const { return (*this)(step.schedule); }  ///< the same
  bool is_constant() const { return !schedule_; }                               ///< a number
  std::string text() const;  ///< "0.001", or the schedule's text

 private:
  double value_ = 0;
  std::shared_ptr<const Schedule> schedule_;
};

}  // namespace descent::optim
