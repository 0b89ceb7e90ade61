// Mistakes that a user, or the author of a rule or wrapper, may make. mistakes.sh compiles this
// file once for each mistake and expects the message beside its number. Without a mistake the file
// compiles.
#include <descent/core/create.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/wrapper.h>

using namespace descent;

/// A rule without a mistake.
struct Rule {
  static constexpr optim::Card card{.name = "rule"};
  static constexpr std::array slot_names{"memory"};
  static void fields(auto&, auto&&) {}
  template <class T>
  auto at(optim::Step) const {
    return [=](auto& w, auto g, auto& memory) { w -= memory = g; };
  }
};
/// A wrapper without a mistake.
struct Around {
  static constexpr optim::Card card{.name = "around"};
  static constexpr optim::Role role = optim::Role::neither;
  static void fields(auto&, auto&&) {}
  void apply(optim::Update& u) { u.inner(); }
};
#ifndef MISTAKE
struct Mine : Rule {};
#elif MISTAKE == 1   // check is: void check() const
struct Mine : Rule {
  void check() {}
};
#elif MISTAKE == 2   // check_parameter is: void check_parameter(std::string_view name,
struct Mine : Rule {
  void check_parameter(const Tensor&) const {}
};
#elif MISTAKE == 3   // slot_shape is: std::optional<Shape> slot_shape(
struct Mine : Rule {
  std::optional<Shape> slot_shape(const char*, const Shape&) const { return {}; }
};
#elif MISTAKE == 4   // average is: Tensor average(optim::Step, const Tensor& w,
struct Mine : Rule {
  Tensor average(const Tensor& w) const { return w; }
};
#elif MISTAKE == 5   // measure is: template <class T> void measure(optim::Step, auto&& run) const
struct Mine : Rule {
  void measure(optim::Step, auto&&) const {}
};
#elif MISTAKE == 6   // dispatch is: template <class T> void dispatch(optim::Step, auto&& run) const
struct Mine : Rule {
  template <class T>
  void dispatch(auto&&) const {}
};
#elif MISTAKE == 7   // a rule has one of at, dispatch, update and minimize
struct Mine {
  static constexpr optim::Card card{.name = "rule"};
  static constexpr std::array slot_names{"memory"};
  static void fields(auto&, auto&&) {}
};
#elif MISTAKE == 8   // update is: void update(optim::Step, const Tensor& w, const Tensor& g,
struct Mine : Rule {
  void update(const Tensor&, const Tensor&) const {}
};
#elif MISTAKE == 9   // a rule keeps at most 8 slots
struct Mine : Rule {
  static constexpr std::array slot_names{"a", "b", "c", "d", "e", "f", "g", "h", "i"};
};
#elif MISTAKE == 10  // a rule's slots and numbers have names that differ
struct Mine : Rule {
  static constexpr std::array numbers{optim::Number{"memory", 0}};
};
#elif MISTAKE == 11  // a rule's slots and numbers have names that differ
struct Mine : Rule {
  static constexpr std::array slot_names{"step"};
};
#elif MISTAKE == 12  // a rule keeps at most 4 numbers
struct Mine : Rule {
  static constexpr optim::Number kOne{"a", 0};
  static constexpr std::array<optim::Number, 5> numbers{
      kOne, {"b", 0}, {"c", 0}, {"d", 0}, {"e", 0}};
};
#elif MISTAKE == 13  // a rule's card has a name
struct Mine : Rule {
  static constexpr optim::Card card{.title = "Without a name"};
};
#elif MISTAKE == 14  // a rule's formula captures numbers, by value, 256 bytes at most
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    const std::array<T, 100> many{};
    return [=](auto& w, auto g) { w -= g * many[7]; };
  }
};
#elif MISTAKE == 15  // a rule's formula, a lambda that is not mutable, takes (auto& w, auto g)
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](T& w, T g) { w -= g; };
  }
};
#elif MISTAKE == 16  // a rule's formula takes the gradient by value: auto g
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](auto& w, auto& g) { w -= g; };
  }
};
#elif MISTAKE == 17  // the formula of an update returns nothing
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](auto& w, auto g) { return w - g; };
  }
};
#elif MISTAKE == 18  // the formula of an update takes the weight by reference: auto& w
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](auto w, auto g) { w -= g; };
  }
};
#elif MISTAKE == 19  // the formula of measure returns a std::array of terms
struct Mine : Rule {
  template <class T>
  void measure(optim::Step, auto&& run) const {
    run([](auto&, auto g) { return g; });
  }
};
#elif MISTAKE == 20  // a rule measures at most 4 sums
struct Mine : Rule {
  template <class T>
  void measure(optim::Step, auto&& run) const {
    run([](auto&, auto g) { return std::array{g, g, g, g, g}; });
  }
};
#elif MISTAKE == 21  // where(mask, a, b) replaces if and
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](auto& w, auto g) {
      if (g > 0) w -= g;
    };
  }
};
#elif MISTAKE == 22  // where(mask, a, b) replaces if and
struct Mine : Rule {
  template <class T>
  auto at(optim::Step) const {
    return [=](auto& w, auto g) { w -= g > 0 && g < 1 ? g : 1; };
  }
};
#elif MISTAKE == 23  // a wrapper's card has a name
#define MINE_WRAPS
struct Mine : Around {
  static constexpr optim::Card card{.title = "Without a name"};
};
#elif MISTAKE == 24  // a wrapper has a role: static constexpr optim::Role role = optim::Role::
#define MINE_WRAPS
struct Mine : Around {
  static constexpr int role = 1;
};
#elif MISTAKE == 25  // evaluate is: double evaluate(optim::Evaluation& e)
#define MINE_WRAPS
struct Mine : Around {
  double evaluate() { return 0; }
};
#elif MISTAKE == 26  // apply is: void apply(optim::Update& u)
#define MINE_WRAPS
struct Mine : Around {
  void apply(const optim::Update&, int) {}
};
#elif MISTAKE == 27  // minimize is: void minimize(optim::Search& search, Memory& memory) const
struct Mine : Rule {
  struct Memory {
    void state(optim::StateVisitor&, std::int64_t) {}
  };
  void minimize(optim::Search&) const {}
};
#elif MISTAKE == 28  // a wrapper has one of apply and evaluate
#define MINE_WRAPS
struct Mine {
  static constexpr optim::Card card{.name = "mine"};
  static constexpr optim::Role role = optim::Role::neither;
  static void fields(auto&, auto&&) {}
  void Apply(optim::Update& u) { u.inner(); }
};
#elif MISTAKE == 29  // state is: void state(auto& visit)
#define MINE_WRAPS
struct Mine : Around {
  void state(optim::State&) {}
};
#elif MISTAKE == 30  // a wrapper has a role: static constexpr optim::Role role = optim::Role::
#define MINE_WRAPS
struct Mine {
  static constexpr optim::Card card{.name = "mine"};
  static void fields(auto&, auto&&) {}
  void apply(optim::Update& u) { u.inner(); }
};
#elif MISTAKE == 31  // fields lists f(name, a Hyper, a Range) for a number
struct Mine : Rule {
  optim::Hyper lr = 1;
  static void fields(auto& rule, auto&& f) { f("lr", rule.lr); }
};
#elif MISTAKE == 32  // fields lists f(name, a Hyper, a Range) for a number
struct Mine : Rule {
  double lr = 1;
  static void fields(auto& rule, auto&& f) { f("lr", rule.lr, optim::kPositive); }
};
#elif MISTAKE == 33  // at is: template <class T> auto at(optim::Step) const
struct Mine : Rule {
  auto at(optim::Step) const {
    return [=](auto& w, auto g) { w -= g; };
  }
};
#elif MISTAKE == 34  // with minimize it has a Memory
struct Mine {
  static constexpr optim::Card card{.name = "rule"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto&, auto&&) {}
  void minimize(optim::Search&) const {}
};
#elif MISTAKE == 35  // from_blob() shares memory that operators may write
struct Mine : Rule {};
Tensor shared(const float* data) { return from_blob(data, {2}); }
#elif MISTAKE == 36  // from_blob() shares memory of bool, std::int64_t, float or double: copy other
struct Mine : Rule {};
Tensor shared(int* data) { return from_blob(data, {2}); }
#elif MISTAKE == 37  // tensor() takes numbers, not text
struct Mine : Rule {};
Tensor of_text(const std::string& text) { return tensor(text); }
#endif

#ifdef MINE_WRAPS
optim::Optimizer make(const Parameters& p) {
  return optim::wrap(optim::Optimizer(p, Rule{}), Mine{});
}
#else
optim::Optimizer make(const Parameters& p) {
  return optim::wrap(optim::Optimizer(p, Mine{}), Around{});
}
#endif
