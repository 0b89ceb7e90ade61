// clang-format off
// Rules: what an optimizer is made of. A rule is a value that reads like its paper:
//
//   struct Momentum {
//     optim::Hyper lr = 1e-2, mu = 0.9;
//     static constexpr optim::Card card{.name = "mine", .title = "Momentum", .formula = "v = μv + g, θ −= ηv"};
//     static constexpr std::array slots{"v"};
//     static void fields(auto& rule, auto&& f) {
//       f("lr", rule.lr, optim::kNonNegative);
//       f("mu", rule.mu, optim::kUnit);
//     }
//     template <class T>
//     auto at(optim::Step s) const {
//       const T eta = T(lr(s)), m = T(mu(s));
//       return [=](T& w, T g, T& v) { v = m * v + g; w -= eta * v; };
//     }
//   };
//   optim::Optimizer optimizer(model.parameters(), Momentum{.lr = 1e-2});
//
// `slots` names the state kept per parameter, which starts at zero and is passed to the lambda in its
// order; without any it is std::array<const char*, 0>. `at` computes scalars once a step, in double;
// the engine inlines the lambda into one vectorised loop over all parameters. Groups, schedules,
// checking, saving and printing follow from `fields` and `slots`. A rule whose state depends on its
// settings has, instead of at(), `dispatch<T>(step, run)`, which calls run(lambda, slot numbers…) once.
// clang-format on
#pragma once

#include <descent/core/simd.h>
#include <descent/core/tensor.h>
#include <descent/optim/hyper.h>

#include <array>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>

namespace descent::optim {

/// The legal values of a field.
struct Range {
  double low, high;
  bool low_open = false, high_open = true;
  bool holds(double x) const {
    return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
  std::string text() const;  // "[0, 1)"
};
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr Range kNonNegative{0, kInfinity}, kPositive{0, kInfinity, true}, kUnit{0, 1},
    kClosedUnit{0, 1, false, false};

/// What a reader wants to know before choosing. Printed by `descent explain`.
struct Card {
  std::string_view name, title, formula, paper, when, traps;
  int state = 0;                 // numbers kept per parameter, at the default settings
  int gradient_evaluations = 1;  // per step
};

/// Receives the fields of a rule or wrapper, one by one.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void operator()(std::string_view name, Hyper& value, const Range& range) = 0;
  virtual void operator()(std::string_view name, bool& value) = 0;
};

namespace detail {

inline constexpr int kMaxSlots = 8;

/// A rule at one step, its type erased: runs over n elements of one parameter.
struct BoundRule {
  alignas(16) unsigned char formula[256];
  /// g is used as clamp(scale·g, ±limit).
  void (*run)(const void* formula, std::int64_t n, void* w, const void* g, void* const* slots,
              double scale, double limit);
  int slot_count = 0;
  int slot_ids[kMaxSlots];
};

/// A group's rule, its type erased.
class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual const Card& card() const = 0;
  virtual int slot_count() const = 0;
  virtual const char* slot_name(int i) const = 0;
  virtual void visit_fields(FieldVisitor& f) = 0;
  virtual void check() const = 0;                             // across fields; throws ValueError
  virtual void check_schedules(std::int64_t step) const = 0;  // their values at this step
  virtual bool maximize() const = 0;
  virtual BoundRule bind(Step s, DType dtype) const = 0;
};

template <class F, class T, std::size_t... I>
void run_formula(const F& f, std::int64_t n, T* w, const T* g, void* const* slots, double scale,
                 double limit, std::index_sequence<I...>) {
  if (scale == 1 && limit == kInfinity) {
    simd::loop(
        n, [f](T& x, const T& d, auto&... s) { f(x, d, s...); }, w, g,
        static_cast<T*>(slots[I])...);
    return;
  }
  const T by = static_cast<T>(scale), most = static_cast<T>(limit);
  simd::loop(
      n,
      [f, by, most](T& x, const T& d, auto&... s) {
        const T scaled = by * d;
        f(x, scaled > most ? most : scaled < -most ? -most : scaled, s...);
      },
      w, g, static_cast<T*>(slots[I])...);
}

[[noreturn]] void fail_schedule(std::string_view rule, std::string_view field, double value,
                                const Range& range, std::int64_t step);

template <class F, class T, std::size_t... I>
constexpr bool takes_slots(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, T&, T, std::enable_if_t<(I >= 0), T&>...>;
}

template <class Rule>
class RuleOf final : public AnyRule {
 public:
  explicit RuleOf(Rule rule) : rule_(std::move(rule)) {}
  const Card& card() const override { return Rule::card; }
  int slot_count() const override { return static_cast<int>(Rule::slots.size()); }
  const char* slot_name(int i) const override { return Rule::slots[static_cast<std::size_t>(i)]; }
  void visit_fields(FieldVisitor& f) override {
    Rule::fields(rule_, [&f](auto&&... field) { f(field...); });
  }
  void check() const override {
    if constexpr (requires(const Rule& r) { r.check(); }) rule_.check();
  }
  void check_schedules(std::int64_t step) const override {
    Rule::fields(rule_, [step](std::string_view field, const auto& value, const auto&... range) {
      if constexpr (sizeof...(range) == 1)
        if (!value.is_constant() && !(range.holds(value(step)) && ...))
          fail_schedule(Rule::card.name, field, value(step), range..., step);
    });
  }
  bool maximize() const override {
    if constexpr (requires(const Rule& r) { r.maximize; })
      return rule_.maximize;
    else
      return false;
  }
  BoundRule bind(Step s, DType dtype) const override {
    return dtype == kFloat64 ? bind_as<double>(s) : bind_as<float>(s);
  }

 private:
  template <class T>
  BoundRule bind_as(Step s) const {
    BoundRule bound;
    const auto take = [&bound]<class F>(F f, auto... ids) {
      constexpr std::size_t kIds = sizeof...(ids);
      static_assert(takes_slots<F, T>(std::make_index_sequence<kIds>()),
                    "a rule's lambda takes (T& w, T g) and one T& for each of its slots");
      static_assert(sizeof(F) <= sizeof(bound.formula) && std::is_trivially_copyable_v<F>,
                    "a rule's lambda captures numbers, by value");
      new (bound.formula) F(f);
      int i = 0;
      ((bound.slot_ids[i++] = ids), ...);
      bound.slot_count = static_cast<int>(kIds);
      bound.run = [](const void* formula, std::int64_t n, void* w, const void* g,
                     void* const* slots, double scale, double limit) {
        run_formula<F, T>(*static_cast<const F*>(formula), n, static_cast<T*>(w),
                          static_cast<const T*>(g), slots, scale, limit,
                          std::make_index_sequence<kIds>());
      };
    };
    if constexpr (requires { rule_.template at<T>(s); }) {
      const auto all = [&]<std::size_t... I>(std::index_sequence<I...>) {
        take(rule_.template at<T>(s), static_cast<int>(I)...);
      };
      all(std::make_index_sequence<Rule::slots.size()>());
    } else {
      rule_.template dispatch<T>(s, take);
    }
    return bound;
  }
  Rule rule_;
};

}  // namespace detail
}  // namespace descent::optim
