// Hyper: a setting of a rule or wrapper. A setting is a number or a schedule, which is a function
// of the step: AdamW{.lr = cosine(1e-3, 1000), .weight_decay = ramp(0, 0.1, 500)}.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace descent::optim {

/// What a rule knows at a step, beside weights, gradients and slots.
struct Step {
  std::int64_t t;             ///< updates of this parameter, with this one: 1, 2, …
  std::int64_t schedule;      ///< steps of the optimizer before this one: 0, 1, …; for schedules
  double* numbers = nullptr;  ///< the numbers that the rule declares in `numbers`
  const double* sums = kNoSums;  ///< what measure() has summed; NaN if the rule has no measure()

  static constexpr double kNaN = __builtin_nan("");  ///< not a number
  /// The sums of a rule that measures nothing.
  static constexpr double kNoSums[] = {kNaN, kNaN, kNaN, kNaN};
};

/// A function of the step, with its text. Steps count from 0. <descent/optim/schedule.h> makes
/// schedules.
struct Schedule {
  std::function<double(std::int64_t)> at;  ///< the value at a step; steps in any order
  std::string text;                        ///< the schedule as text: "cosine(0.001, 1000)"

  /// The value at a step. Throws StateError if there is no function, as after a move.
  double operator()(std::int64_t step) const {
    if (!at) fail();
    return at(step);
  }

 private:
  [[noreturn]] void fail() const;
};

/// A setting: a number or a schedule.
class Hyper {
 public:
  Hyper(double value) : value_(value) {}  ///< a number
  Hyper(Schedule schedule);  ///< a schedule; throws ValueError if its function is empty
  /// Copies. A Hyper is never moved, because a setting that has lost its schedule would read as 0.
  Hyper(const Hyper&) noexcept = default;
  Hyper& operator=(const Hyper&) noexcept = default;  ///< copies

  /// The value at a step of the optimizer.
  double operator()(std::int64_t step) const {
    return schedule_ && step != settled_at_ ? scale_ * (*schedule_)(step) : value_;
  }
  double operator()(const Step& step) const { return (*this)(step.schedule); }  ///< the same
  /// For the engine: asks the schedule for its value at `step`. Until the next call, this value is
  /// the value at `step`, so that a function of the user's cannot fail in the middle of a step.
  void settle(std::int64_t step);
  bool is_constant() const { return !schedule_; }  ///< true for a number
  /// `factor` times this number, or times this schedule at every step. Throws ValueError for a
  /// factor that is NaN or infinite.
  Hyper scaled(double factor) const;
  /// This schedule, multiplied by `scale` in place of scale().
  Hyper with_scale(double scale) const;
  /// What a schedule is multiplied by; 1 unless scaled() made this.
  double scale() const { return scale_; }
  /// "0.001", the text of the schedule, or "scaled(0.1, cosine(0.001, 1000))".
  std::string text() const;

 private:
  double value_ = 0;  // the number; of a schedule, its value at the step settled_at_
  double scale_ = 1;  // of a schedule
  std::int64_t settled_at_ = INT64_MIN;  // no step, unless settle() was called
  std::shared_ptr<const Schedule> schedule_;
};

}  // namespace descent::optim
