// The settings of a rule or wrapper, one after the other: for checking, printing, saving, finding.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/card.h>
#include <descent/optim/hyper.h>

#include <functional>
#include <string>
#include <string_view>

namespace descent::optim::detail {

/// A setting where it is kept: a number with its range, or a switch.
struct FieldRef {
  std::string_view name;
  Hyper* number;       // null for a switch
  const Range* range;  // null for a switch
  bool* flag;          // null for a number

  /// The number at a step; a switch reads as 0 or 1.
  double at(std::int64_t step) const { return number ? (*number)(step) : *flag ? 1 : 0; }
  std::string text() const { return number ? number->text() : *flag ? "true" : "false"; }
  /// False for a number that follows a schedule.
  bool is_constant() const { return !number || number->is_constant(); }
};
using FieldVisitor = std::function<void(const FieldRef&)>;
using FieldLister = std::function<void(const FieldVisitor&)>;

/// Calls f for each setting that T::fields lists.
template <class T>
void visit_fields(T& value, const FieldVisitor& f) {
  struct Each {
    const FieldVisitor& f;
    void operator()(std::string_view name, Hyper& number, const Range& range) const {
      f({name, &number, &range, nullptr});
    }
    void operator()(std::string_view name, bool& flag) const { f({name, nullptr, nullptr, &flag}); }
  };
  T::fields(value, Each{f});
}

[[noreturn]] void fail_schedule(std::string_view owner, std::string_view field, double value,
                                const Range& range, std::int64_t step);
/// Throws ValueError if a schedule gives a value out of its field's range for this step.
template <class T>
void check_schedules(T& value, std::int64_t step) {
  T::fields(value, [step](std::string_view field, const auto& number, const auto&... range) {
    if constexpr (sizeof...(range) == 1)
      if (!number.is_constant() && !(range.holds(number(step)) && ...))
        fail_schedule(T::card.name, field, number(step), range..., step);
  });
}

/// Throws ValueError for a field outside its range, naming owner, field, value and range.
void check_fields(std::string_view owner, const FieldLister& list);
/// Throws ValueError, in the name of `op`, unless a switch is to be 0 or 1.
void check_switch(std::string_view op, std::string_view name, const Hyper& value);
/// "name(first, a=1, b=true)".
std::string fields_text(std::string_view name, const std::string& first, const FieldLister& list);

}  // namespace descent::optim::detail
