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
// order; without any it is std::array<const char*, 0>. The state is keyed by the names of slots and
// scalars: they differ, and none is "step". `at` computes scalars once a step, in double; the engine
// inlines the lambda into one vectorised loop over all parameters. Groups, schedules, checking, saving
// and printing follow from `fields` and `slots`. A file with a rule is to be compiled with -O2,
// -fno-math-errno and -fno-trapping-math; linking descent::descent in CMake brings the last two. With
// errno a root is a call, and with trapping comparisons branch: loops up to twenty times slower.
//
// What else a rule may have (all const):
// - dispatch<T>(step, run) in place of at(): calls run(lambda, slot numbers…) once, for a rule whose
//   state depends on its settings.
// - `scalars`, an array of at most 4 Scalar: numbers kept per parameter, as a product of betas. at() reads and
//   writes step.scalars[i].
// - measure<T>(step, run): a pass before the update. It calls run(lambda, slot numbers…); the lambda
//   leaves w alone and gives a std::array of at most 4 numbers. at() finds their sums over the
//   parameter in step.sums, or with `static constexpr bool shares_sums = true` over all parameters
//   that such rules serve.
// - update(step, w, g, slots) in place of at(): the rule works on whole tensors, with Descent's
//   operators, and writes w in place (w -= …, w.copy_(…)); slots are written so or assigned, and
//   what they then share with w or g is copied when the update ends.
//   slot_shape(slot, shape of w) says how large its state is.
// - `maximize`, a bool: the gradient is negated. check(): throws where fields do not go together;
//   check_parameter(name, w): where the rule cannot work on w.
// - average(step, w, slots): what the weights are to be evaluated at; see swap_average().
// - minimize(search) in place of at(): the rule evaluates the loss as often as it likes; see lbfgs.h.
// - `static constexpr bool packs = true`: its lambdas, [=](auto& w, auto g, auto&… slots), also take
//   sixteen numbers as one, with simd::sqrt, ratio and fma: see core/pack.h. A slot that is only read
//   is taken by value. In a file without the flags above packs are single numbers.
// - wants_curvature(step): before that step the slot number kCurvature holds an estimate of the
//   diagonal of the Hessian. Needs a closure.
// clang-format on
#pragma once

#include <descent/core/simd/pack.h>
#include <descent/core/tensor.h>
#include <descent/optim/hyper.h>

#include <array>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
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
  std::string_view name = {}, title = {}, formula = {}, paper = {}, when = {}, avoid = {},
                   traps = {};
  int state = 0;                    // numbers kept per parameter, at the default settings
  double gradient_evaluations = 1;  // per step
};

/// A number that a rule keeps for each parameter, and where it starts.
struct Scalar {
  const char* name;
  double start;
};
/// The slot number under which a rule's lambda gets the estimate of the Hessian's diagonal.
inline constexpr int kCurvature = -1;

/// Receives the fields of a rule or wrapper, one by one.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void operator()(std::string_view name, Hyper& value, const Range& range) = 0;
  virtual void operator()(std::string_view name, bool& value) = 0;
};

namespace detail {

inline constexpr int kMaxSlots = 8, kMaxScalars = 4, kMaxSums = 4;

/// A rule at one step, its type erased: runs over n elements of one parameter.
struct BoundRule {
  alignas(16) unsigned char formula[256];
  /// g is used as clamp(scale·g, ±limit). A pass that measures adds to sums.
  void (*run)(const void* formula, std::int64_t n, void* w, const void* g, void* const* slots,
              double scale, double limit, double* sums);
  int slot_count = 0;
  int slot_ids[kMaxSlots];
};

struct Search;

/// A group's rule, its type erased.
class AnyRule {
 public:
  virtual ~AnyRule() = default;
  virtual const Card& card() const = 0;
  virtual int slot_count() const = 0;
  virtual const char* slot_name(int i) const = 0;
  /// Empty for a parameter that does without.
  virtual std::optional<Shape> slot_shape(int i, const Shape& w) const = 0;
  virtual std::span<const Scalar> scalars() const = 0;
  virtual void visit_fields(FieldVisitor& f) = 0;
  virtual void check() const = 0;                             // across fields; throws ValueError
  virtual void check_schedules(std::int64_t step) const = 0;  // their values at this step
  virtual void check_parameter(std::string_view name, const Tensor& w) const = 0;
  virtual bool maximize() const = 0;

  virtual BoundRule bind(Step s, DType dtype) const = 0;
  virtual bool measures() const = 0;
  virtual bool shares_sums() const = 0;
  virtual BoundRule bind_measure(Step s, DType dtype) const = 0;

  virtual bool is_whole() const = 0;
  virtual void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> slots) const = 0;

  virtual bool searches() const = 0;
  virtual void minimize(Search& search) const = 0;

  virtual bool averages() const = 0;
  virtual Tensor average(Step s, const Tensor& w, std::span<const Tensor> slots) const = 0;
  virtual bool has_curvature() const = 0;
  virtual bool wants_curvature(Step s) const = 0;
};

template <bool kPacks, class F, class T, std::size_t... I>
void run_formula(const F& f, std::int64_t n, T* w, const T* g, void* const* slots, double scale,
                 double limit, [[maybe_unused]] double* sums, std::index_sequence<I...>) {
  const auto over = [&](auto formula) {
    using Result = decltype(f(*w, *g, *static_cast<T*>(slots[I])...));
    if constexpr (std::is_void_v<Result>) {
      if constexpr (kPacks)
        simd::loop_packs(n, formula, w, g, static_cast<T*>(slots[I])...);
      else
        simd::loop(n, formula, w, g, static_cast<T*>(slots[I])...);
    } else {
      static_assert(std::tuple_size_v<Result> <= kMaxSums, "a rule measures at most 4 numbers");
      if constexpr (kPacks)
        simd::sum_packs(n, formula, sums, w, g, static_cast<T*>(slots[I])...);
      else
        simd::sum(n, formula, sums, w, g, static_cast<T*>(slots[I])...);
    }
  };
  // Around the rule's formula one that takes each number as it does, by reference or by value. g++
  // inlines it even where the flags of a user's file are not those of the loop.
  const auto run_with = [&](auto gradient) {
    over([f, gradient](auto&& x, auto&& d,
                       auto&&... s) -> decltype(f(static_cast<decltype(x)>(x), gradient(d),
                                                  static_cast<decltype(s)>(s)...)) {
      return f(x, gradient(d), s...);
    });
  };
  if (scale == 1 && limit == kInfinity) return run_with([](auto d) { return d; });
  run_with([by = static_cast<T>(scale), most = static_cast<T>(limit)](auto d) {
    const auto scaled = by * d;
    return scaled > most ? most : scaled < -most ? -most : scaled;
  });
}

[[noreturn]] void fail_schedule(std::string_view rule, std::string_view field, double value,
                                const Range& range, std::int64_t step);

template <class F, class T, std::size_t... I>
constexpr bool takes_slots(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, T&, T, std::enable_if_t<(I >= 0), T&>...>;
}

/// Whether every slot and scalar of a rule has a name of its own, under which the state keeps it.
template <class Rule>
constexpr bool names_differ() {
  std::string_view taken[1 + kMaxSlots + kMaxScalars] = {"step"};  // the count of updates
  std::size_t n = 1;
  const auto add = [&](std::string_view name) {
    for (std::size_t i = 0; i < n; ++i)
      if (taken[i] == name) return false;
    taken[n++] = name;
    return true;
  };
  for (const char* slot : Rule::slots)
    if (!add(slot)) return false;
  if constexpr (requires { Rule::scalars; })
    for (const Scalar& scalar : Rule::scalars)
      if (!add(scalar.name)) return false;
  return true;
}

// Whether a rule has a member of some name, callable or not: one that cannot be called as it should
// is a mistake, not a rule without it.
#define DESCENT_NAMES(member)                        \
  struct Other_##member {                            \
    int member;                                      \
  };                                                 \
  template <class Rule>                              \
  struct Both_##member : Rule, Other_##member {};    \
  template <class Rule>                              \
  inline constexpr bool names_##member = !requires { \
    &Both_##member<Rule>::member;                    \
  };
DESCENT_NAMES(at)
DESCENT_NAMES(dispatch)
DESCENT_NAMES(measure)
DESCENT_NAMES(update)
DESCENT_NAMES(average)
#undef DESCENT_NAMES

/// Throw ValueError: a rule's member did not call run, or more than once, or with a slot it has
/// not.
[[noreturn]] void fail_run(std::string_view rule, const char* member, bool twice);
[[noreturn]] void fail_slot(std::string_view rule, int slot, int slots);

template <class Rule>
class RuleOf final : public AnyRule {
  static_assert(Rule::slots.size() <= kMaxSlots, "a rule keeps at most 8 slots");
  static_assert(names_differ<Rule>(),
                "a rule's slots and scalars have names that differ, none of them \"step\"");
  static_assert(!Rule::card.name.empty(), "a rule's card has a name");
  static constexpr bool kWhole =
      requires(const Rule& r, Step s, const Tensor& t, std::span<Tensor> slots) {
    r.update(s, t, t, slots);
  };
  static constexpr bool kAverages =
      requires(const Rule& r, Step s, const Tensor& t, std::span<const Tensor> slots) {
    r.average(s, t, slots);
  };
  static constexpr bool kSearches = requires(const Rule& r, Search& s) { r.minimize(s); };
  static constexpr bool kCurves = requires(const Rule& r, Step s) { r.wants_curvature(s); };
  static constexpr bool kPacks = requires { requires Rule::packs; };
  struct AnyRun {
    void operator()(auto&&, auto...) const {}
  };
  static constexpr bool kDispatches = requires(const Rule& r, Step s) {
    r.template dispatch<float>(s, AnyRun{});
  };
  static constexpr bool kMeasures = requires(const Rule& r, Step s) {
    r.template measure<float>(s, AnyRun{});
  };
  static_assert(kMeasures || !names_measure<Rule>,
                "measure is: template <class T> void measure(optim::Step, auto&& run) const");
  static_assert(kDispatches || !names_dispatch<Rule>,
                "dispatch is: template <class T> void dispatch(optim::Step, auto&& run) const");
  static_assert(kWhole || !names_update<Rule>,
                "update is: void update(optim::Step, const Tensor& w, const Tensor& g, "
                "std::span<Tensor> slots) const");
  static_assert(kAverages || !names_average<Rule>,
                "average is: Tensor average(optim::Step, const Tensor& w, "
                "std::span<const Tensor> slots) const");
  static_assert(kWhole || kSearches || kDispatches || names_at<Rule>,
                "a rule has one of at, dispatch, update and minimize");

 public:
  explicit RuleOf(Rule rule) : rule_(std::move(rule)) {}
  const Card& card() const override { return Rule::card; }
  int slot_count() const override { return static_cast<int>(Rule::slots.size()); }
  const char* slot_name(int i) const override { return Rule::slots[static_cast<std::size_t>(i)]; }
  std::optional<Shape> slot_shape(int i, const Shape& w) const override {
    if constexpr (requires(const Rule& r) { r.slot_shape(i, w); })
      return rule_.slot_shape(i, w);
    else
      return w;
  }
  std::span<const Scalar> scalars() const override {
    if constexpr (requires { Rule::scalars; }) {
      static_assert(Rule::scalars.size() <= kMaxScalars, "a rule keeps at most 4 scalars");
      return Rule::scalars;
    } else {
      return {};
    }
  }
  void visit_fields(FieldVisitor& f) override {
    Rule::fields(rule_, [&f](auto&&... field) { f(field...); });
  }
  void check() const override {
    if constexpr (requires(const Rule& r) { r.check(); }) rule_.check();
  }
  void check_parameter(std::string_view name, const Tensor& w) const override {
    if constexpr (requires(const Rule& r) { r.check_parameter(name, w); })
      rule_.check_parameter(name, w);
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
    if constexpr (kWhole)
      return {};
    else
      return bind_with<false>(dtype, [&]<class T>(T, auto&& take) {
        if constexpr (kDispatches)
          rule_.template dispatch<T>(s, take);
        else
          take_all(rule_.template at<T>(s), take, std::make_index_sequence<Rule::slots.size()>());
      });
  }
  bool measures() const override { return kMeasures; }
  bool shares_sums() const override {
    if constexpr (requires { Rule::shares_sums; })
      return Rule::shares_sums;
    else
      return false;
  }
  BoundRule bind_measure(Step s, DType dtype) const override {
    if constexpr (kMeasures)
      return bind_with<true>(dtype,
                             [&]<class T>(T, auto&& take) { rule_.template measure<T>(s, take); });
    else
      return {};
  }

  bool is_whole() const override { return kWhole; }
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> slots) const override {
    if constexpr (kWhole) rule_.update(s, w, g, slots);
  }
  bool searches() const override { return kSearches; }
  void minimize([[maybe_unused]] Search& search) const override {
    if constexpr (kSearches) rule_.minimize(search);
  }

  bool averages() const override { return kAverages; }
  Tensor average(Step s, const Tensor& w, std::span<const Tensor> slots) const override {
    if constexpr (kAverages)
      return rule_.average(s, w, slots);
    else
      return w;
  }
  bool has_curvature() const override { return kCurves; }
  bool wants_curvature(Step s) const override {
    if constexpr (kCurves)
      return rule_.wants_curvature(s);
    else
      return false;
  }

 private:
  template <std::size_t... I>
  static void take_all(auto formula, auto&& take, std::index_sequence<I...>) {
    take(formula, static_cast<int>(I)...);
  }
  /// Calls f(T(), take) for the type; take(lambda, slots…) is what a rule calls run.
  template <bool kSums, class F>
  static BoundRule bind_with(DType dtype, F f) {
    constexpr const char* kMember = kSums ? "measure" : "dispatch";
    BoundRule bound{};
    const auto call = [&]<class T>(T zero) {
      f(zero, [&bound]<class L>(L formula, auto... ids) {
        if (bound.run) fail_run(Rule::card.name, kMember, true);
        take<T, kSums>(bound, formula, ids...);
      });
    };
    if (dtype == kFloat64)
      call(double{});
    else
      call(float{});
    if (!bound.run) fail_run(Rule::card.name, kMember, false);
    return bound;
  }
  template <class T, bool kSums, class F>
  static void take(BoundRule& bound, F f, auto... ids) {
    constexpr std::size_t kIds = sizeof...(ids);
    check_formula<T, kSums, F>(std::make_index_sequence<kIds>());
    static_assert(sizeof(F) <= sizeof(bound.formula) && std::is_trivially_copyable_v<F>,
                  "a rule's lambda captures numbers, by value, 256 bytes at most");
    constexpr int kCount = static_cast<int>(Rule::slots.size());
    for (const int id : std::initializer_list<int>{ids...})
      if (id >= kCount || id < (kCurves ? kCurvature : 0)) fail_slot(Rule::card.name, id, kCount);
    new (bound.formula) F(f);
    int i = 0;
    ((bound.slot_ids[i++] = ids), ...);
    bound.slot_count = static_cast<int>(kIds);
    bound.run = [](const void* formula, std::int64_t n, void* w, const void* g, void* const* slots,
                   double scale, double limit, double* sums) {
      run_formula<kPacks, F, T>(*static_cast<const F*>(formula), n, static_cast<T*>(w),
                                static_cast<const T*>(g), slots, scale, limit, sums,
                                std::make_index_sequence<kIds>());
    };
  }
  template <class T, bool kSums, class F, std::size_t... I>
  static constexpr void check_formula(std::index_sequence<I...> slots) {
#if defined(DESCENT_PACKS)
    if constexpr (kPacks && std::is_same_v<T, float>)
      static_assert(takes_slots<F, simd::Pack>(slots),
                    "with packs = true a rule's lambda takes auto in place of T");
#endif
    if constexpr (takes_slots<F, T>(slots)) {
      using Result = std::invoke_result_t<const F&, T&, T, std::enable_if_t<(I >= 0), T&>...>;
      if constexpr (kSums) {
        static_assert(
            requires {
              std::tuple_size<Result>::value;
              typename Result::value_type;
            },
            "the lambda of measure gives a std::array of numbers");
      } else {
        static_assert(std::is_void_v<Result>, "the lambda of an update gives nothing");
        static_assert(
            !std::is_invocable_v<const F&, T, T, std::enable_if_t<(I >= 0), T&>...>,
            "the lambda of an update takes the weight by reference: one taken by value is "
            "not written back");
      }
    } else {
      static_assert(takes_slots<F, T>(slots),
                    "a rule's lambda, not mutable, takes (T& w, T g) and T& or T for each slot");
    }
  }
  Rule rule_;
};

}  // namespace detail
}  // namespace descent::optim
