// Hyper: a hyper-parameter, which is a number or a function of the step. Any field of any rule or
// wrapper is one, so a schedule goes anywhere: `AdamW{.lr = cosine(1e-3, 1000)}`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace descent::optim {

/// When a rule is evaluated, and what it knows beside the elements.
struct Step {
  std::int64_t t;                // updates of this parameter, this one included: 1, 2, …
  std::int64_t schedule;         // steps of the optimizer before this one: 0, 1, …
  double* scalars = nullptr;     // the rule's own numbers of this parameter, to read and to write
  const double* sums = kNoSums;  // what measure() summed; NaN without one

  static constexpr double kNoSums[] = {__builtin_nan(""), __builtin_nan(""), __builtin_nan(""),
                                       __builtin_nan("")};
};

/// A closed form of the step, which counts from 0: any step can be asked for, in any order.
struct Schedule {
  std::function<double(std::int64_t)> at;
  std::string text;  // "cosine(0.001, 1000)", as printed and saved

  double operator()(std::int64_t step) const { return at(step); }
};

class Hyper {
 public:
  Hyper(double value) : value_(value) {}
  Hyper(Schedule s) : schedule_(std::make_shared<const Schedule>(std::move(s))) {}

  double operator()(std::int64_t step) const { return schedule_ ? (*schedule_)(step) : value_; }
  double operator()(const Step& step) const { return (*this)(step.schedule); }
  bool is_constant() const { return !schedule_; }
  /// The number as text, or the schedule's.
  std::string text() const;

 private:
  double value_ = 0;
  std::shared_ptr<const Schedule> schedule_;
};

}  // namespace descent::optim
