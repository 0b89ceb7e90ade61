// How the engine sees an element rule: a rule that updates each weight from its own gradient and
// slots. To write one, read rule.h.
#pragma once

#include <descent/core/simd/pack.h>
#include <descent/optim/engine/any_rule.h>

#include <new>

namespace descent::optim::detail {

/// Stands in the place of a slot's number for the estimate of the Hessian's diagonal.
inline constexpr int kCurvature = -1;

/// The formula of an element rule at one step, with its type erased.
struct BoundRule {
  /// The lambda, copied byte by byte.
  alignas(16) unsigned char formula[256];
  /// Runs the formula over n elements of a parameter. The formula sees clamp(scale·g, ±limit) as
  /// the gradient. A measuring formula adds its terms to `sums`; others ignore `sums`.
  void (*run)(const void* formula, std::int64_t n, void* w, const void* g, void* const* kept,
              double scale, double limit, double* sums) = nullptr;
  int slot_count = 0;           ///< how many slots the formula takes
  int slot_ids[kMaxSlots + 1];  ///< which slots: their numbers in slot_names, or kCurvature
};

/// An element rule whose type is erased.
class ElementRule : public AnyRule {
 public:
  static constexpr RuleKind kKind = RuleKind::element;
  /// Returns the formula of a step: that of the update, or that of the pass before it.
  virtual BoundRule bind(Step s, DType dtype, bool measuring = false) const = 0;
  virtual bool wants_curvature(Step s) const = 0;
  std::array<bool, kMaxSlots> slots_in_use(DType dtype) const override;

 protected:
  using AnyRule::AnyRule;
};

/// Throws ValueError: dispatch() or measure() called run never, or more than once.
[[noreturn]] void fail_run(std::string_view rule, const char* member, bool twice);
/// Fills in which slots a formula takes: those that run() was given by name, or the first slots.
/// Throws ValueError if a name is unknown or comes twice, or if the formula takes more slots.
void find_slots(BoundRule& bound, const RuleTraits& rule,
                std::initializer_list<std::string_view> named);

/// True if F can be called with a weight, a gradient and sizeof...(K) slots, all of type P.
template <class F, class P, std::size_t... K>
constexpr bool takes_slots(std::index_sequence<K...>) {
  return std::is_invocable_v<const F&, P&, P&, std::enable_if_t<(K >= 0), P&>...>;
}
/// How many slots the formula F takes. −1 if F is no formula.
template <class F, class P, int kCount = 0>
constexpr int count_slots() {
  if constexpr (takes_slots<F, P>(std::make_index_sequence<static_cast<std::size_t>(kCount)>()))
    return kCount;
  else if constexpr (kCount <= kMaxSlots)
    return count_slots<F, P, kCount + 1>();
  else
    return -1;
}

/// What BoundRule::run points to, for formula F, numbers of type T and the instruction set Set.
template <class Set, class T, class F, std::size_t... K>
void run_formula(const void* formula, std::int64_t n, void* w, const void* g, void* const* kept,
                 double scale, double limit, [[maybe_unused]] double* sums) {
  using P = simd::Baseline::Pack<T>;
  using All = std::index_sequence<0, 1, (K + 2)...>;
  const F f = *static_cast<const F*>(formula);
  const auto over = [&](auto view) {
#if defined(__clang__)
    // Without `flatten` clang calls a long formula as a function. g++ inlines it with the loop.
    const auto seen = [ f, view ](auto& x, auto& d, auto&... s) __attribute__((flatten)) {
#else
    const auto seen = [f, view](auto& x, auto& d, auto&... s) {
#endif
      return f(x, view(d), s...);
    };
    using Result = decltype(f(std::declval<P&>(), std::declval<P&>(),
                              (static_cast<void>(K), std::declval<P&>())...));
    T* const weight = static_cast<T*>(w);
    const T* const gradient = static_cast<const T*>(g);
    if constexpr (std::is_void_v<Result>)
      Set::loop(n, seen, weight, gradient,
                static_cast<typename simd::packs::Access<F, T, K + 2, All>::type*>(kept[K])...);
    else
      Set::sum(n, seen, sums, static_cast<const T*>(weight), gradient,
               static_cast<typename simd::packs::Access<F, T, K + 2, All>::type*>(kept[K])...);
  };
  if (scale == 1 && limit == kInfinity) return over([](const auto& d) { return d; });
  over([by = static_cast<T>(scale), most = static_cast<T>(limit)](const auto& d) {
    const auto scaled = by * d;
    return where(scaled > most, most, where(scaled < -most, -most, scaled));
  });
}

/// An element rule that a user wrote. Configuration tells files with other flags apart: the code
/// that they compile must not be mixed.
template <class Rule, class Configuration>
class ElementRuleOf final : public RuleOf<Rule, ElementRule> {
  struct AnyRun {
    void operator()(auto&&, auto...) const {}
  };
  static constexpr bool kCurves = requires(const Rule& r, Step s) { r.wants_curvature(s); };
  static constexpr bool kDispatches = requires(const Rule& r, Step s) {
    r.template dispatch<float>(s, AnyRun{});
  };
  static constexpr bool kMeasures = requires(const Rule& r, Step s) {
    r.template measure<float>(s, AnyRun{});
  };
  static constexpr bool kShares = requires { requires Rule::shares_sums; };
  static_assert(kMeasures || !names_measure<Rule>,
                "measure is: template <class T> void measure(optim::Step, auto&& run) const");
  static_assert(kDispatches || !names_dispatch<Rule>,
                "dispatch is: template <class T> void dispatch(optim::Step, auto&& run) const");
  static_assert(
      kDispatches || names_at<Rule> || std::is_final_v<Rule>,
      "a rule has one of at, dispatch, update and minimize; with minimize it has a Memory");
  static_assert(
      kDispatches || !names_at<Rule> ||
          requires(const Rule& r, Step s) { r.template at<float>(s); },
      "at is: template <class T> auto at(optim::Step) const");
  using Base = RuleOf<Rule, ElementRule>;

 public:
  explicit ElementRuleOf(Rule rule) : Base(std::move(rule), traits_of()) {}

  BoundRule bind(Step s, DType dtype, bool measuring) const override {
    if constexpr (kMeasures)
      if (measuring)
        return bind_with<true>(
            dtype, [&]<class T>(T, auto&& run) { this->rule_.template measure<T>(s, run); });
    return bind_with<false>(dtype, [&]<class T>(T, auto&& run) {
      if constexpr (kDispatches)
        this->rule_.template dispatch<T>(s, run);
      else
        run(this->rule_.template at<T>(s));
    });
  }
  bool wants_curvature(Step s) const override {
    if constexpr (kCurves)
      return this->rule_.wants_curvature(s);
    else
      return false;
  }

 private:
  static RuleTraits traits_of() {
    RuleTraits traits = Base::traits_of();
    traits.measures = kMeasures;
    traits.shares_sums = kShares;
    traits.curves = kCurves;
    traits.built_in = detail::built_in<Rule>;
    return traits;
  }
  /// Calls f(T(), run), T being the C++ type of `dtype`. The rule calls run(formula, slots…), which
  /// puts the formula into the result.
  template <bool kSums, class F>
  BoundRule bind_with(DType dtype, F f) const {
    constexpr const char* kMember = kSums ? "measure" : "dispatch";
    BoundRule bound;
    const auto call = [&]<class T>(T zero) {
      f(zero, [this, &bound]<class L>(L formula, auto... kept) {
        if (bound.run) fail_run(Rule::card.name, kMember, true);
        this->template take<T, kSums>(bound, formula, {kept...});
      });
    };
    if (dtype == kFloat64)
      call(double{});
    else
      call(float{});
    if (!bound.run) fail_run(Rule::card.name, kMember, false);
    return bound;
  }

  /// Copies the formula into `bound`, with the slots that it takes.
  template <class T, bool kSums, class F>
  void take(BoundRule& bound, F f, std::initializer_list<std::string_view> named) const {
    constexpr int kCount = check_formula<T, kSums, F>();
    static_assert(sizeof(F) <= sizeof(bound.formula) && std::is_trivially_copyable_v<F>,
                  "a rule's formula captures numbers, by value, 256 bytes at most");
    new (bound.formula) F(f);
    bound.slot_count = kCount;
    find_slots(bound, *this, named);
    bound.run = []<std::size_t... K>(std::index_sequence<K...>) {
      return simd::at_level([]<class Set>(Set) { return &run_formula<Set, T, F, K...>; });
    }
    (std::make_index_sequence<static_cast<std::size_t>(kCount)>());
  }

  /// How many slots a formula takes. If F is no formula, compiling stops with a message.
  template <class T, bool kSums, class F>
  static consteval int check_formula() {
    using P = simd::Baseline::Pack<T>;
    constexpr int kCount = count_slots<F, P>();
    static_assert(
        kCount >= 0,
        "a rule's formula, a lambda that is not mutable, takes (auto& w, auto g) and auto& "
        "or auto for each slot: auto in place of T or float");
    if constexpr (kCount >= 0)
      check_types<kSums, F, P>(std::make_index_sequence<static_cast<std::size_t>(kCount)>());
    return kCount < 0 ? 0 : kCount;
  }
  template <bool kSums, class F, class P, std::size_t... K>
  static consteval void check_types(std::index_sequence<K...>) {
    using Result = std::invoke_result_t<const F&, P&, P&, std::enable_if_t<(K >= 0), P&>...>;
    static_assert(std::is_invocable_v<const F&, P&, P, std::enable_if_t<(K >= 0), P&>...>,
                  "a rule's formula takes the gradient by value: auto g");
    if constexpr (kSums) {
      static_assert(
          requires {
            std::tuple_size<Result>::value;
            typename Result::value_type;
          },
          "the formula of measure returns a std::array of terms");
      static_assert(std::tuple_size_v<Result> <= kMaxSums, "a rule measures at most 4 sums");
    } else {
      static_assert(std::is_void_v<Result>, "the formula of an update returns nothing");
      static_assert(!std::is_invocable_v<const F&, P, P, std::enable_if_t<(K >= 0), P&>...>,
                    "the formula of an update takes the weight by reference: auto& w");
    }
  }
};

}  // namespace descent::optim::detail
