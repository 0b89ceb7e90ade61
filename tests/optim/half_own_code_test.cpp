// A step has changed nothing if a rule or a wrapper of a user's own threw.
#include "tests/optim/half.h"

#include <descent/descent.h>
#include <descent/optim/engine/search_rule.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::all_of;
using testing::kMatrix;
using testing::Pair;
using testing::Thrown;

/// The parameter with 4 elements makes these rules throw, if *when is the present update.
template <int kNumber>
struct Plain {
  std::shared_ptr<std::int64_t> when = std::make_shared<std::int64_t>(0);
  static constexpr Card card{.name = kNumber == 0 ? "own" : "other"};
  static constexpr std::array slot_names{"sum"};
  static void fields(auto&, auto&&) {}
  void count(std::int64_t t) const {
    if (*when > 0 && t == *when) throw Thrown();
  }
};
struct ElementThrows : Plain<0> {
  template <class T>
  auto at(Step s) const {
    count(s.t);
    return [](auto& w, auto g, auto& sum) { w -= 0.01 * (sum += g); };
  }
};
/// Writes its slot in the pass that measures, and throws after this pass.
struct MeasureThrows : Plain<0> {
  static constexpr std::array numbers{Number{"n", 0}};
  template <class T>
  void measure(Step, auto&& run) const {
    run([](auto, auto g, auto& sum) {
      sum += g;
      return std::array{g * g};
    });
  }
  template <class T>
  auto at(Step s) const {
    s.numbers[0] += s.sums[0];
    count(s.sums[0] > 0 ? s.t : 0);
    return [](auto& w, auto, auto sum) { w -= 0.01 * sum; };
  }
};
/// Throws at the matrix with 4 elements, after it has written weights and slot.
struct TensorThrows : Plain<1> {
  static constexpr std::array numbers{Number{"n", 0}};
  bool assigns = false;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const {
    s.numbers[0] += 1;
    if (assigns)
      kept[0] = kept[0] + g;
    else
      kept[0].add_(g);
    w.sub_(kept[0] * 0.01);
    if (w.numel() == 4) count(s.t);
  }
};
struct SearchThrows {
  std::shared_ptr<std::int64_t> when = std::make_shared<std::int64_t>(0);
  struct Memory {
    std::int64_t count = 0;
    Tensor last;
    void state(StateVisitor& visit, std::int64_t n) {
      visit("count", count);
      visit("last", last, {n}, kFloat64, count > 0);
    }
  };
  static constexpr Card card{.name = "search"};
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto&, auto&&) {}
  void minimize(Search& s, Memory& memory) const {
    ++memory.count;
    memory.last = s.g;
    s.x = s.x - s.g * 0.01;
    s.evaluate(s.x + 1.0);  // moves the weights
    if (s.step.t == *when) throw Thrown();
  }
};

/// Makes an optimizer of one group or two groups.
template <class First, class Second>
Pair::Make groups(First first, Second second) {
  return [=](Parameters all) {
    Optimizer o(Parameters{all[0]}, first);
    o.add_group(Parameters{all[1]}, second);
    return o;
  };
}
template <class Rule>
Pair::Make one(Rule rule) {
  return [=](Parameters all) { return Optimizer(std::move(all), rule); };
}

/// Steps alike, then lets the rule throw at each of some steps. `made` makes the optimizer with a
/// rule that throws if *when is the present update.
void expect_rule_to_be_atomic(const std::string& what, const std::shared_ptr<std::int64_t>& when,
                              const std::function<Pair::Make(bool throws)>& made) {
  Pair pair([&, first = true](Parameters all) mutable {
    return made(std::exchange(first, false))(std::move(all));
  });
  for (int t = 1; t <= 4; ++t) {
    *when = t;
    EXPECT_THROW(pair.p.step(pair.o), Thrown) << what;
    *when = 0;
    pair.expect_alike(what);
    pair.step();
    pair.expect_alike(what);
  }
}

TEST(Half, StepWhoseRuleThrowsChangesNothing) {
  const auto when = std::make_shared<std::int64_t>(0);
  const auto never = std::make_shared<std::int64_t>(0);
  const auto element = [&](bool throws) { return ElementThrows{{throws ? when : never}}; };
  const auto measure = [&](bool throws) { return MeasureThrows{{throws ? when : never}}; };
  const auto tensor = [&](bool throws) { return TensorThrows{{throws ? when : never}}; };
  const auto assigns = [&](bool throws) { return TensorThrows{{throws ? when : never}, true}; };
  const auto expect = [&](const std::string& what, auto f) {
    expect_rule_to_be_atomic(what, when, [&](bool throws) -> Pair::Make { return f(throws); });
  };
  expect("element", [&](bool throws) { return one(element(throws)); });
  expect("measure", [&](bool throws) { return one(measure(throws)); });
  expect("tensor", [&](bool throws) { return one(tensor(throws)); });
  expect("assigns", [&](bool throws) { return one(assigns(throws)); });
  expect("search", [&](bool throws) { return one(SearchThrows{throws ? when : never}); });
  // Another group comes before the one that throws, with a rule of each form.
  expect("adam, element", [&](bool throws) { return groups(Adam{}, element(throws)); });
  expect("lamb, measure", [&](bool throws) { return groups(LAMB{}, measure(throws)); });
  expect("prodigy, tensor", [&](bool throws) { return groups(Prodigy{}, tensor(throws)); });
  expect("muon, tensor", [&](bool throws) { return groups(Muon{}, tensor(throws)); });
  expect("muon, measure", [&](bool throws) { return groups(Muon{}, measure(throws)); });
  expect("soap, element", [&](bool throws) { return groups(SOAP{}, element(throws)); });
  expect("measure, adafactor", [&](bool throws) { return groups(measure(throws), Adafactor{}); });
}

enum class Place { nowhere, evaluate, before, after };
/// A wrapper that throws where it is told to. It keeps a count, a list of tensors that it writes in
/// place, and something that state() does not list.
struct WrapperThrows {
  std::shared_ptr<Place> where = std::make_shared<Place>(Place::nowhere);
  std::int64_t count = 0, unlisted = 0;
  std::vector<Tensor> sums = {};
  Hyper by = 1;
  static constexpr Card card{.name = "own"};
  static constexpr Role role = Role::neither;
  static void fields(auto& o, auto&& f) { f("by", o.by, kPositive); }
  void state(auto& visit) {
    visit("count", count);
    visit("sums", sums, false);
  }
  double evaluate(Evaluation& e) {
    e.perform([this](const Parameters&, std::int64_t) { ++count; });
    const double loss = e.inner();
    e.perform([this](const Parameters&, std::int64_t) {
      if (*where == Place::evaluate) throw Thrown();
    });
    return loss;
  }
  void apply(Update& u) {
    if (sums.empty())
      for (std::size_t i = 0; i < u.size(); ++i) sums.push_back(zeros_like(u.weight(i)));
    for (std::size_t i = 0; i < u.size(); ++i) sums[i].add_(u.weight(i));
    u.weight(0).mul_(0.99);
    by = by(0) + 1;
    unlisted += 1;
    if (*where == Place::before) throw Thrown();
    u.inner();
    u.weight(1).mul_(1 - 0.001 * static_cast<double>(unlisted));
    if (*where == Place::after) throw Thrown();
  }
};

/// Puts WrapperThrows into or around an optimizer.
void expect_wrapper_to_be_atomic(const std::string& what,
                                 const std::function<Optimizer(Parameters, WrapperThrows)>& made) {
  const auto where = std::make_shared<Place>(Place::nowhere);
  Pair pair([&, first = true](Parameters all) mutable {
    WrapperThrows wrapper;
    if (std::exchange(first, false)) wrapper.where = where;
    return made(std::move(all), wrapper);
  });
  for (int t = 0; t < 5; ++t) {
    for (const Place place : {Place::evaluate, Place::before, Place::after}) {
      *where = place;
      const auto before = all_of(pair.p, pair.o);
      try {
        pair.p.step(pair.o);
        pair.q.step(pair.twin);  // an outer wrapper made no step
      } catch (const Thrown&) {
        EXPECT_EQ(all_of(pair.p, pair.o), before) << what << ", " << static_cast<int>(place);
      }
    }
    *where = Place::nowhere;
    pair.step();
    pair.expect_alike(what);
  }
}

TEST(Half, StepWhoseWrapperThrowsChangesNothing) {
  for (const Entry& e : registry()) {
    if (!e.is_wrapper) {
      expect_wrapper_to_be_atomic(to_text("own(", e.name, ")"),
                                  [&](Parameters all, const WrapperThrows& w) {
                                    return wrap(e.make(std::move(all), {}), w);
                                  });
      continue;
    }
    Entry::Settings settings;
    for (const Field& f : e.fields)
      if (f.text == "required") settings.emplace(f.name, 1);
    expect_wrapper_to_be_atomic(
        to_text("own(", e.name, "(adamw))"), [&](Parameters all, const WrapperThrows& w) {
          return wrap(e.wrap(Optimizer(std::move(all), AdamW{}), settings), w);
        });
    expect_wrapper_to_be_atomic(
        to_text(e.name, "(own(adamw))"), [&](Parameters all, const WrapperThrows& w) {
          return e.wrap(wrap(Optimizer(std::move(all), AdamW{}), w), settings);
        });
  }
}

/// Goes on without a step if the optimizer inside throws.
struct Swallows {
  static constexpr Card card{.name = "swallows"};
  static constexpr Role role = Role::neither;
  static constexpr bool atomic = true;
  static void fields(auto&, auto&&) {}
  void apply(Update& u) {
    try {
      u.inner();
    } catch (const Thrown&) {
      u.skip();
    }
  }
};

TEST(Half, StepWhoseErrorIsCaughtByAWrapperChangesNothing) {
  TensorThrows rule;
  Pair pair(
      [&](Parameters all) { return wrap(groups(AdamW{}, rule)(std::move(all)), Swallows{}); });
  pair.step(3);
  const auto before = pair.p.values().to_vector();
  *rule.when = 4;
  pair.p.step(pair.o);
  EXPECT_EQ(pair.p.values().to_vector(), before);
  *rule.when = 0;
  pair.step(2);
  EXPECT_EQ(pair.p.values().to_vector(), pair.q.values().to_vector());
}

}  // namespace
}  // namespace descent
