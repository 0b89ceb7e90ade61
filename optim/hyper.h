// Hyper: a hyper-parameter, which is a number or a function of the step. Any field of any rule or
// wrapper is one, so a schedule goes anywhere: `AdamW{.lr = cosine(1e-3, 1000)}`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace descent::optim {

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
  bool is_constant() const { return !schedule_; }
  /// The number as text, or the schedule's.
  std::string text() const;

 private:
  double value_ = 0;
  std::shared_ptr<const Schedule> schedule_;
};

}  // namespace descent::optim
