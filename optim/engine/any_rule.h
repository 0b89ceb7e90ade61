// AnyRule: what the engine knows of every rule, whatever its form. TensorRule: a rule that works on
// whole tensors. To write a rule, read rule.h.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/fields.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>

namespace descent::optim {

class StateVisitor;

namespace detail {

/// The most slots, numbers and sums that a rule can have.
inline constexpr int kMaxSlots = 8, kMaxNumbers = 4, kMaxSums = 4;

/// True for the rules and wrappers of Descent. The library holds their compiled code.
template <class T>
inline constexpr bool built_in = false;

/// The form of a rule. It says which of the three stages runs the rule.
enum class RuleKind { element, tensor, search };

/// What is known of a rule from its type alone.
struct RuleTraits {
  RuleKind kind;
  const Card& card;
  std::span<const char* const> slot_names;
  std::span<const Number> numbers;
  bool averages;  // the rule has average(): it keeps an average of the weights
  // Of element rules. measures: the rule has measure(), a pass before the update. shares_sums: the
  // sums of that pass run over all parameters. curves: the rule has wants_curvature() and needs a
  // closure. built_in: the rule is one of Descent's.
  bool measures = false, shares_sums = false, curves = false, built_in = false;
  // Of search rules. residuals: minimize() takes a LeastSquares. gradient_free: the closure need
  // not call backward(). uses_hessian: the first gradients keep their graph.
  bool residuals = false, gradient_free = false, uses_hessian = false;
};

/// The rule of a group, with its type erased. ElementRule, TensorRule and SearchRule derive from
/// AnyRule and add how the rule updates. RuleOf forwards to the struct that a user wrote.
class AnyRule : public RuleTraits {
 public:
  virtual ~AnyRule() = default;

  virtual void visit_fields(const FieldVisitor& f) = 0;
  /// Returns a function that calls visit_fields().
  FieldLister fields() {
    return [this](const FieldVisitor& f) { visit_fields(f); };
  }
  virtual void check() const = 0;
  /// Throws ValueError if a setting is out of its range, or if settings do not go together.
  void check_settings() {
    check_fields(fields());
    check();
  }
  virtual void check_parameter(std::string_view name, const Tensor& w) const = 0;
  virtual bool maximize() const = 0;
  /// The shape of a slot for a parameter of shape w. Empty if this parameter has no such slot.
  virtual std::optional<Shape> slot_shape(int slot, const Shape& w) const = 0;
  /// For each slot, whether the rule uses it at its present settings. dtype is the parameter's.
  virtual std::array<bool, kMaxSlots> slots_in_use(DType) const {
    std::array<bool, kMaxSlots> all;
    all.fill(true);
    return all;
  }
  virtual Tensor average(Step s, const Tensor& w, std::span<const Tensor> kept) const = 0;

 protected:
  explicit AnyRule(const RuleTraits& traits) : RuleTraits(traits) {}
};

/// True if the names of a rule's slots and numbers all differ. The state keeps slots and numbers
/// under these names.
template <class Rule>
constexpr bool names_differ() {
  // "step" names the count of updates.
  std::array<std::string_view, 1 + kMaxSlots + kMaxNumbers> names{"step"};
  auto end = std::copy(Rule::slot_names.begin(), Rule::slot_names.end(), names.begin() + 1);
  if constexpr (requires { Rule::numbers; })
    for (const Number& number : Rule::numbers) *end++ = number.name;
  std::sort(names.begin(), end);
  return std::adjacent_find(names.begin(), end) == end;
}

// names_at<Rule>, names_measure<Rule>, …: true if Rule has a member of this name, whatever its
// arguments. If a rule has the member but it cannot be called as the engine calls it, the author
// made a mistake, and a static_assert says so. For a rule that is final the answer is always false.
struct Nothing {};
template <class Rule, class Named>
struct WithName : std::conditional_t<std::is_final_v<Rule>, Nothing, Rule>, Named {};
#define DESCENT_NAMES(member)                        \
  struct Named_##member {                            \
    int member;                                      \
  };                                                 \
  template <class Rule>                              \
  inline constexpr bool names_##member = !requires { \
    &WithName<Rule, Named_##member>::member;         \
  };
DESCENT_NAMES(at)
DESCENT_NAMES(dispatch)
DESCENT_NAMES(measure)
DESCENT_NAMES(update)
DESCENT_NAMES(average)
DESCENT_NAMES(check)
DESCENT_NAMES(check_parameter)
DESCENT_NAMES(slot_shape)
DESCENT_NAMES(evaluate)
DESCENT_NAMES(apply)
DESCENT_NAMES(state)
#undef DESCENT_NAMES

/// Holds a rule and forwards to it what all forms have. Kind is ElementRule, TensorRule or
/// SearchRule.
template <class Rule, class Kind>
class RuleOf : public Kind {
  static_assert(Rule::slot_names.size() <= kMaxSlots, "a rule keeps at most 8 slots");
  static_assert(names_differ<Rule>(),
                "a rule's slots and numbers have names that differ, none of them \"step\"");
  static_assert(!Rule::card.name.empty(), "a rule's card has a name");
  static constexpr bool kAverages =
      requires(const Rule& r, Step s, const Tensor& t, std::span<const Tensor> kept) {
    r.average(s, t, kept);
  };
  static_assert(
      requires(const Rule& r) { r.check(); } || !names_check<Rule>, "check is: void check() const");
  static_assert(
      requires(const Rule& r, std::string_view n, const Tensor& w) { r.check_parameter(n, w); } ||
          !names_check_parameter<Rule>,
      "check_parameter is: void check_parameter(std::string_view name, const Tensor& w) const");
  static_assert(
      requires(const Rule& r, int slot, const Shape& w) { r.slot_shape(slot, w); } ||
          !names_slot_shape<Rule>,
      "slot_shape is: std::optional<Shape> slot_shape(int slot, const Shape& w) const");
  static_assert(kAverages || !names_average<Rule>,
                "average is: Tensor average(optim::Step, const Tensor& w, "
                "std::span<const Tensor> kept) const");

 public:
  explicit RuleOf(Rule rule, const RuleTraits& traits = traits_of())
      : Kind(traits), rule_(std::move(rule)) {}

  void visit_fields(const FieldVisitor& f) override { detail::visit_fields(rule_, f); }
  void check() const override {
    if constexpr (requires { rule_.check(); }) rule_.check();
  }
  void check_parameter(std::string_view name, const Tensor& w) const override {
    if constexpr (requires { rule_.check_parameter(name, w); }) rule_.check_parameter(name, w);
  }
  bool maximize() const override {
    if constexpr (requires { rule_.maximize; })
      return rule_.maximize;
    else
      return false;
  }
  std::optional<Shape> slot_shape(int slot, const Shape& w) const override {
    if constexpr (requires { rule_.slot_shape(slot, w); })
      return rule_.slot_shape(slot, w);
    else
      return w;
  }
  Tensor average(Step s, const Tensor& w, std::span<const Tensor> kept) const override {
    if constexpr (kAverages)
      return rule_.average(s, w, kept);
    else
      return w;
  }

 protected:
  static RuleTraits traits_of() {
    RuleTraits traits{Kind::kKind, Rule::card, Rule::slot_names, {}, kAverages};
    if constexpr (requires { Rule::numbers; }) {
      static_assert(Rule::numbers.size() <= kMaxNumbers, "a rule keeps at most 4 numbers");
      traits.numbers = Rule::numbers;
    }
    return traits;
  }
  Rule rule_;
};

/// A tensor rule whose type is erased. TensorRuleOf forwards to the rule that a user wrote.
class TensorRule : public AnyRule {
 public:
  static constexpr RuleKind kKind = RuleKind::tensor;
  virtual void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const = 0;

 protected:
  using AnyRule::AnyRule;
};

template <class Rule>
class TensorRuleOf final : public RuleOf<Rule, TensorRule> {
  static_assert(
      requires(const Rule& r, Step s, const Tensor& t, std::span<Tensor> kept) {
        r.update(s, t, t, kept);
      },
      "update is: void update(optim::Step, const Tensor& w, const Tensor& g, std::span<Tensor> "
      "slots) const");

 public:
  using RuleOf<Rule, TensorRule>::RuleOf;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const override {
    this->rule_.update(s, w, g, kept);
  }
};

}  // namespace detail
}  // namespace descent::optim
