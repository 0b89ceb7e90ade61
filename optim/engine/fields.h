// Going through the settings of a rule or wrapper one by one, to check, print, save or find one.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/card.h>
#include <descent/optim/hyper.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace descent::optim::detail {

/// Points to a setting of a rule or wrapper: a number with its range, or a switch (a bool).
struct FieldRef {
  std::string_view owner, name;
  Hyper* number;               // null for a switch
  std::optional<Range> range;  // none for a switch. A copy: fields() may list a temporary
  bool* flag;                  // null for a number

  /// The value at a step. A switch reads as 0 or 1.
  double at(std::int64_t step) const { return number ? (*number)(step) : *flag ? 1 : 0; }
  std::string text() const { return number ? number->text() : *flag ? "true" : "false"; }
  /// Throws ValueError if this setting cannot have this value. A number is in its range at step 0.
  /// A switch is the constant 0 or 1. The message begins with `op` and calls the setting `as`;
  /// `source` says where the value is from.
  void check(std::string_view op, std::string_view as, const Hyper& value,
             std::string_view source = "") const;
  /// Sets a number to a number or a schedule. Sets a switch to the number 0 or 1.
  void set(const Hyper& value) const {
    if (flag)
      *flag = value(0) != 0;
    else
      *number = value;
  }
  /// False for a number that follows a schedule.
  bool is_constant() const { return !number || number->is_constant(); }
};
/// What is called with each setting; and what calls a FieldVisitor with each setting.
using FieldVisitor = std::function<void(const FieldRef&)>;
using FieldLister = std::function<void(const FieldVisitor&)>;

/// Calls f for each setting that T::fields lists.
template <class T>
void visit_fields(T& value, const FieldVisitor& f) {
  T::fields(value, [&f](std::string_view name, auto& setting, const auto&... range) {
    constexpr bool kNumber = std::is_same_v<decltype(setting), Hyper&> && (sizeof...(range) == 1) &&
                             (std::is_same_v<decltype(range), const Range&> && ...);
    constexpr bool kSwitch = std::is_same_v<decltype(setting), bool&> && sizeof...(range) == 0;
    static_assert(
        kNumber || kSwitch,
        "fields lists f(name, a Hyper, a Range) for a number and f(name, a bool) for a switch");
    if constexpr (kNumber)
      f({T::card.name, name, &setting, range..., nullptr});
    else if constexpr (kSwitch)
      f({T::card.name, name, nullptr, {}, &setting});
  });
}

/// Throws ValueError if a field is out of its range at step 0. The message names owner, field,
/// value and range.
void check_fields(const FieldLister& list);
/// The text of a rule or wrapper: "name(first, a=1, b=true)".
std::string fields_text(std::string_view name, const std::string& first, const FieldLister& list);

}  // namespace descent::optim::detail
