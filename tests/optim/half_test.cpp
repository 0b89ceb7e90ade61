// Nothing is updated by half. Whatever throws in a step, in loading, in wrapping or in exchanging
// weights: afterwards the optimizer is as it was, and a twin that never saw the error gives the
// same bits from there on.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"
#include "tests/support/fail_each.h"
#include "tests/support/temporary_folder.h"

#include <descent/descent.h>
#include <descent/optim/engine/search_rule.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::all_optimizers;
using testing::fail_each_allocation;
using testing::has_text;
using testing::message_of;
using testing::Problem;

const Shape kMatrix{1, 4};  // of the second parameter, because Muon takes matrices only

/// Weights and state as numbers, by name.
std::map<std::string, std::vector<double>> all_of(const Problem& p, const Optimizer& o) {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [key, t] : o.state_dict()) all[key] = t.to_vector();
  all["weights"] = p.values().to_vector();
  return all;
}

/// The error that the tests throw.
struct Thrown : std::runtime_error {
  Thrown() : std::runtime_error("thrown by a test") {}
};

/// A problem with its optimizer, and a twin that sees no error.
struct Pair {
  Problem p{kFloat64, kMatrix}, q{kFloat64, kMatrix};
  Optimizer o, twin;
  using Make = std::function<Optimizer(Parameters)>;
  explicit Pair(const Make& make) : o(make(p.parameters())), twin(make(q.parameters())) {}
  explicit Pair(const std::string& text)
      : Pair([text](Parameters all) { return make(text, std::move(all)); }) {}

  void step(int times = 1) {
    for (int t = 0; t < times; ++t) {
      p.step(o);
      q.step(twin);
    }
  }
  /// Expects that both are alike now.
  void expect_alike(const std::string& what) { EXPECT_EQ(all_of(p, o), all_of(q, twin)) << what; }
};

double backward(const Problem& p) {
  const Tensor l = p.loss();
  l.backward();
  return l.item();
}

// ---- a step that throws ----

TEST(Half, StepWhoseClosureThrowsChangesNothing) {
  for (const auto& [name, description] : all_optimizers()) {
    Pair pair(description);
    for (int t = 0; t < 6; ++t) {
      for (int last = 1;; ++last) {  // the closure throws at each of its calls in its turn
        int calls = 0;
        bool threw = false;
        const auto before = all_of(pair.p, pair.o);
        try {
          pair.o.step([&] {
            backward(pair.p);
            if (++calls == last) throw Thrown();
            return 0.0;
          });
        } catch (const Thrown&) {
          threw = true;
        }
        EXPECT_TRUE(threw) << name;
        EXPECT_EQ(all_of(pair.p, pair.o), before) << name << ", call " << last;
        int needed = 0;
        const Problem r(kFloat64, kMatrix);  // how many calls such a step makes
        Optimizer counting = make(description, r.parameters());
        {
          const NoGradGuard guard;
          r.a.copy_(pair.p.a);
          r.b.copy_(pair.p.b);
        }
        counting.load_state_dict(pair.o.state_dict());
        counting.step([&] {
          ++needed;
          return backward(r);
        });
        if (last >= needed) break;
      }
      pair.step();
      pair.expect_alike(name);
      if (HasFailure()) return;
    }
  }
}

TEST(Half, StepThatLacksMemoryChangesNothing) {
  for (const auto& [name, description] : all_optimizers()) {
    SCOPED_TRACE(name);
    Pair pair(description);
    const Tensor a = sin(pair.p.a.detach() * 7), b = sin(pair.p.b.detach() * 7);
    const bool needs_graph = pair.o.needs_closure();
    for (const int before : {0, 4}) {  // the first step, and the fifth
      pair.step(before);
      const auto as_it_was = all_of(pair.p, pair.o);
      const auto step = [&](const Problem& p, Optimizer& o) {
        o.step([&] {
          if (needs_graph) return backward(p);
          p.a.set_grad(a);
          p.b.set_grad(b);
          return 0.0;
        });
      };
      fail_each_allocation([&] { step(pair.p, pair.o); },
                           [&] { EXPECT_EQ(all_of(pair.p, pair.o), as_it_was); }, 60);
      step(pair.q, pair.twin);
      pair.expect_alike(name);
      pair.step(2);
      pair.expect_alike(name);
      if (HasFailure()) return;
    }
  }
}

TEST(Half, StepWithANaNChangesNothing) {
  for (const auto& [name, description] : all_optimizers()) {
    Pair pair(description);
    for (int t = 0; t < 3; ++t) {
      const auto before = all_of(pair.p, pair.o);
      const std::int64_t skipped = pair.o.skipped_steps();
      try {
        pair.o.step([&] {
          backward(pair.p);
          pair.p.b.grad().mul_(NAN);
          return 0.0;
        });
        EXPECT_EQ(pair.o.skipped_steps(), skipped + 1) << name;
        EXPECT_EQ(all_of(pair.p, pair.o).at("weights"), before.at("weights")) << name;
        break;  // such a step is counted, so the twin is behind
      } catch (const NonFiniteError&) {
        EXPECT_EQ(all_of(pair.p, pair.o), before) << name;
      }
      pair.step();
      pair.expect_alike(name);
    }
  }
}

/// A function of the step that throws at its n-th call.
struct Calls {
  std::int64_t left = -1;
  void count() {
    if (left > 0 && --left == 0) throw Thrown();
  }
};

TEST(Half, StepWhoseScheduleThrowsChangesNothing) {
  for (const auto& [name, description] : all_optimizers()) {
    const Problem unused(kFloat64, kMatrix);
    for (const Field& f : make(description, unused.parameters()).fields()) {
      if (f.is_switch) continue;
      Pair pair(description);
      const auto calls = std::make_shared<Calls>();
      const auto scheduled = [value = f.value](std::shared_ptr<Calls> counted) {
        return Schedule{[value, counted](std::int64_t) {
                          counted->count();
                          return value;
                        },
                        "counted"};
      };
      pair.o.set(f.name, scheduled(calls));
      pair.twin.set(f.name, scheduled(std::make_shared<Calls>()));
      for (int t = 0; t < 5; ++t) {
        const auto before = all_of(pair.p, pair.o);
        for (std::int64_t n = 1;; ++n) {
          calls->left = n;
          try {
            pair.p.step(pair.o);
            break;
          } catch (const Thrown&) {
            calls->left = -1;
            ASSERT_EQ(all_of(pair.p, pair.o), before) << name << ", " << f.name << ", call " << n;
          }
        }
        calls->left = -1;
        pair.q.step(pair.twin);
        ASSERT_EQ(all_of(pair.p, pair.o), all_of(pair.q, pair.twin)) << name << ", " << f.name;
      }
    }
  }
}

// ---- rules and wrappers of a user's own ----

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

TEST(Half, TracerThatThrowsComesAfterTheStep) {
  for (const auto& [name, description] : all_optimizers()) {
    Pair pair(description);
    for (int t = 0; t < 4; ++t) {
      pair.o.set_tracer([](const TraceRow&) { throw Thrown(); });
      EXPECT_THROW(pair.p.step(pair.o), Thrown) << name;
      pair.o.set_tracer({});
      pair.q.step(pair.twin);
      pair.expect_alike(name);
      pair.step();
      pair.expect_alike(name);
    }
  }
}

// ---- compiled steps ----

TEST(Half, CompiledStepThatThrowsChangesNothing) {
  const Tensor table = ones({2}, kFloat64);
  for (const testing::Described& described : all_optimizers()) {
    const std::string& name = described.name;
    if (name == "muon" || name == "lbfgs" || name == "sophia") continue;  // are not compiled
    Pair pair(described.description);
    const auto rate = std::make_shared<Calls>();
    const auto step_of = [&](const Problem& p, Optimizer& o) {
      return [&](const Tensor& x) {
        o.step([&] {
          const Tensor l = p.loss() * sum(gather(table, 0, x));
          l.backward();
          return l;
        });
      };
    };
    if (!pair.o.fields().empty())
      pair.o.set(pair.o.fields().back().name,
                 pair.o.fields().back().is_switch
                     ? Hyper(pair.o.fields().back().value)
                     : Schedule{[rate, value = pair.o.fields().back().value](std::int64_t) {
                                  rate->count();
                                  return value;
                                },
                                "counted"});
    auto fast = compile(step_of(pair.p, pair.o));
    const auto eager = step_of(pair.q, pair.twin);
    const Tensor good = tensor({1}), bad = tensor({7});
    const auto expect_alike = [&](const char* what) {
      auto a = all_of(pair.p, pair.o), b = all_of(pair.q, pair.twin);
      // See CompiledStep: a compiled SAM evaluates twice where an eager one does not climb.
      for (auto* all : {&a, &b}) all->erase("optimizer/gradient_evaluations");
      std::erase_if(a, [](const auto& entry) { return entry.first.starts_with("group/"); });
      std::erase_if(b, [](const auto& entry) { return entry.first.starts_with("group/"); });
      for (const auto& [key, values] : a) {
        if (!b.contains(key)) continue;  // a setting that follows the schedule
        EXPECT_EQ(values, b.at(key)) << name << ", " << what << ", " << key;
      }
    };
    for (int t = 0; t < 5; ++t) {
      fast(good);
      eager(good);
      expect_alike("a step");
      EXPECT_THROW(fast(bad), ValueError) << name;
      expect_alike("a closure that threw");
      rate->left = 1;
      try {
        fast(good);
        eager(good);
      } catch (const Thrown&) {
      }
      rate->left = -1;
      expect_alike("a schedule that threw");
      if (t != 3) continue;
      const auto before = all_of(pair.p, pair.o);
      fail_each_allocation([&] { fast(good); },
                           [&] { EXPECT_EQ(all_of(pair.p, pair.o), before) << name; });
      eager(good);
      expect_alike("a request for memory that failed");
    }
    if (HasFailure()) return;
  }
}

// ---- what is no step ----

TEST(Half, StateIsLoadedWhollyOrNotAtAll) {
  for (const auto& [name, description] : all_optimizers()) {
    SCOPED_TRACE(name);
    Pair pair(description);
    pair.step(5);
    for (int t = 0; t < 2; ++t) pair.q.step(pair.twin);
    for (const Field& f : pair.twin.fields())
      if (f.name == "lr") pair.twin.set("lr", f.value * 2);
    const State other = pair.twin.state_dict();
    const auto before = all_of(pair.p, pair.o);
    const State own = pair.o.state_dict();
    // Each entry in its turn is missing, or NaN, or undefined.
    for (const auto& [key, t] : other)
      for (const int way : {0, 1, 2}) {
        State state = other;
        if (way == 0) state.erase(key);
        if (way == 1) state[key] = full(t.shape(), NAN, kFloat64).to(t.dtype());
        if (way == 2) state[key] = Tensor();
        try {
          pair.o.load_state_dict(state);  // a slot may be NaN
          pair.o.load_state_dict(own);
        } catch (const Error&) {
          EXPECT_EQ(all_of(pair.p, pair.o), before) << key << ", " << way;
        }
      }
    Pair again(description);
    again.step(5);
    fail_each_allocation([&] { again.o.load_state_dict(other); },
                         [&] { EXPECT_EQ(all_of(again.p, again.o), before); }, 40);
    {
      const NoGradGuard guard;
      again.p.a.copy_(pair.q.a);
      again.p.b.copy_(pair.q.b);
    }
    for (int t = 0; t < 3; ++t) {
      again.p.step(again.o);
      pair.q.step(pair.twin);
    }
    EXPECT_EQ(all_of(again.p, again.o), all_of(pair.q, pair.twin));
    fail_each_allocation([&] { again.o.state_dict(); }, [] {}, 40);
    EXPECT_EQ(all_of(again.p, again.o), all_of(pair.q, pair.twin));
    if (HasFailure()) return;
  }
}

TEST(Half, WeightsAreExchangedWhollyOrNotAtAll) {
  for (const char* text : {"ema(adamw, 0.9)", "swa(adamw)", "schedule_free_adamw(lr=0.05)",
                           "schedule_free_sgd(lr=0.05)", "asgd(lr=0.01, t0=0)"}) {
    SCOPED_TRACE(text);
    Pair pair(text);
    pair.step(4);
    const auto before = all_of(pair.p, pair.o);
    std::vector<double> averaged;
    fail_each_allocation(
        [&] {
          const AverageGuard guard(pair.o);
          averaged = pair.p.values().to_vector();
        },
        [&] { EXPECT_EQ(all_of(pair.p, pair.o), before); });
    EXPECT_NE(averaged, before.at("weights"));
    EXPECT_EQ(all_of(pair.p, pair.o), before);
    fail_each_allocation([&] { pair.o.swap_average(); },
                         [&] { EXPECT_EQ(all_of(pair.p, pair.o), before); });
    {
      const testing::FailAllocation fail(1);
      pair.o.swap_average();  // the way back needs no memory
      EXPECT_FALSE(fail.failed());
    }
    EXPECT_EQ(all_of(pair.p, pair.o), before);
    pair.step(2);
    pair.expect_alike(text);
  }
}

TEST(Half, OptimizerThatCannotBeWrappedIsAsBefore) {
  Pair pair("schedule_free_adamw(lr=0.05)");
  pair.step(3);
  EXPECT_THROW(ema(std::move(pair.o)), ValueError);           // an average around an average
  EXPECT_THROW(clip_norm(std::move(pair.o), 0), ValueError);  // NOLINT(bugprone-use-after-move)
  pair.step(2);
  pair.expect_alike("refused");
  for (const Entry& e : registry()) {
    if (!e.is_wrapper) continue;
    Pair wrapped("adamw");
    wrapped.step(2);
    const auto before = all_of(wrapped.p, wrapped.o);
    Entry::Settings settings;
    for (const Field& f : e.fields)
      if (f.text == "required") settings.emplace(f.name, 1);
    fail_each_allocation([&] { wrapped.o = e.wrap(std::move(wrapped.o), settings); },
                         [&] { EXPECT_EQ(all_of(wrapped.p, wrapped.o), before) << e.name; });
    wrapped.twin = e.wrap(std::move(wrapped.twin), settings);
    wrapped.step(3);
    wrapped.expect_alike(e.name);
  }
}

TEST(Half, GroupIsAddedWhollyOrNotAtAll) {
  for (const Entry& e : registry()) {
    if (!e.add_group || e.name == "lbfgs") continue;
    const Problem p(kFloat64, kMatrix), q(kFloat64, kMatrix);
    Optimizer o(Parameters{{"a", p.a}}, AdamW{}), twin(Parameters{{"a", q.a}}, AdamW{});
    const auto before = all_of(p, o);
    fail_each_allocation(
        [&] {
          e.add_group(o, {{"b", p.b}}, {});
        },
        [&] { EXPECT_EQ(all_of(p, o), before) << e.name; });
    e.add_group(twin, {{"b", q.b}}, {});
    for (int t = 0; t < 3; ++t) {
      p.step(o);
      q.step(twin);
    }
    EXPECT_EQ(all_of(p, o), all_of(q, twin)) << e.name;
  }
}

TEST(Half, SettingIsSetInAllGroupsOrInNone) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o(Parameters{{"a", p.a}}, SGD{.momentum = 0.9, .nesterov = true});
  o.add_group(Parameters{{"b", p.b}}, SGD{.lr = 0.5});
  const auto before = all_of(p, o);
  EXPECT_THROW(o.set("dampening", 0.5), ValueError);  // goes not with nesterov
  EXPECT_EQ(all_of(p, o), before);
  fail_each_allocation([&] { o.set("lr", cosine(1, 5)); },
                       [&] { EXPECT_EQ(all_of(p, o), before); });
  EXPECT_EQ(o.get("lr", 0), 1);
  EXPECT_EQ(o.get("lr", 1), 1);
}

// ---- what watches the training ----

TEST(Half, PlateauThatThrowsIsAsBefore) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o = accumulate(make("adamw", p.parameters()), 4);
  ReduceOnPlateau plateau(o, {.factor = 0.3, .patience = 0}, "steps");
  plateau.step(1);
  EXPECT_TRUE(plateau.step(1));  // 4 → 1.2
  const State before = plateau.state_dict();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { plateau.step(1); }), "got steps = 0.36"));
    EXPECT_EQ(o.get("steps"), 1.2);
    for (const auto& [key, t] : plateau.state_dict())
      EXPECT_EQ(t.to_vector(), before.at(key).to_vector()) << key;
  }
  o.set("steps", 10);
  const auto all = all_of(p, o);
  fail_each_allocation([&] { plateau.step(1); },
                       [&] {
                         EXPECT_EQ(all_of(p, o), all);
                         EXPECT_EQ(plateau.state_dict().at("plateau/bad").item(), 0);
                       });
  EXPECT_EQ(o.get("steps"), 3);
}

/// A model that cannot be saved at times.
struct Model {
  bool* throws;
  Tensor w = zeros({2});
  State state_dict() const {
    if (*throws) throw Thrown();
    return {{"w", w}};
  }
  void load_state_dict(const State& state) const { w.copy_(state.at("w")); }
};

TEST(Half, EarlyStoppingThatThrowsIsAsBefore) {
  bool throws = false;
  const Model model{&throws};
  EarlyStopping stopping({.patience = 1});
  model.w.fill_(1);
  EXPECT_FALSE(stopping.step(5, model));
  const auto numbers = [&] {
    std::map<std::string, std::vector<double>> all;
    for (const auto& [key, t] : stopping.state_dict()) all[key] = t.to_vector();
    return all;
  };
  const auto before = numbers();
  model.w.fill_(2);
  throws = true;
  EXPECT_THROW(stopping.step(4, model), Thrown);
  EXPECT_EQ(numbers(), before);
  throws = false;
  fail_each_allocation([&] { EXPECT_FALSE(stopping.step(4, model)); },
                       [&] { EXPECT_EQ(numbers(), before); });
  EXPECT_EQ(stopping.best_epoch(), 1);
  const State second = stopping.state_dict();
  EarlyStopping other({.patience = 1});
  fail_each_allocation([&] { other.load_state_dict(second); },
                       [&] { EXPECT_EQ(other.best_epoch(), -1); });
  State spoilt = second;
  spoilt["early_stopping/state/w"] = Tensor();
  EXPECT_TRUE(has_text(message_of<StateError>([&] { other.load_state_dict(spoilt); }),
                       "early_stopping/state/w: got an undefined tensor"));
  other.restore(model);
  EXPECT_EQ(model.w.to_vector(), std::vector<double>(2, 2.0));
}

// ---- the whole of a training run ----

/// Builds a model, trains it by compiled steps unless `eager`, saves model and optimizer, loads
/// both into new objects and goes on. Returns the numbers at the end.
std::vector<double> whole_run(const std::string& description, bool eager,
                              const testing::TemporaryFolder& folder) {
  manual_seed(3);
  const auto make_model = [] {
    return nn::Sequential(nn::Linear(3, 4), nn::BatchNorm1d(4), nn::Tanh(), nn::Dropout(0.2),
                          nn::Linear(4, 2));
  };
  const Tensor x = sin(arange(0, 24, 1, kFloat32)).reshape({8, 3}), y = x.slice(1, 0, 2) * 0.5;
  const auto train = [&](nn::Sequential& model, Optimizer& o, std::int64_t epoch) {
    const auto step = [&](const Tensor& a, const Tensor& b) {
      o.step([&] {
        const Tensor l = nn::mse_loss(model(a), b);
        l.backward();
        return l;
      });
    };
    auto fast = compile(step);
    data::DataLoader loader(x, y, {.batch_size = 4, .seed = 1});
    loader.set_epoch(epoch);
    for (auto [a, b] : loader) eager ? step(a, b) : fast(a, b);
  };
  {
    nn::Sequential model = make_model();
    Optimizer o = make(description, model.parameters());
    train(model, o, 0);
    model.save(folder / "model.safetensors");
    save_tensors(folder / "optimizer.safetensors", o.state_dict());
  }
  nn::Sequential model = make_model();
  Optimizer o = make(description, model.parameters());
  model.load(folder / "model.safetensors");
  o.load_state_dict(load_tensors(folder / "optimizer.safetensors").tensors);
  train(model, o, 1);
  std::vector<double> all;
  for (const auto& state : {model.state_dict(), o.state_dict()})
    for (const auto& [key, t] : state)
      for (const double number : t.to_vector()) all.push_back(number);
  return all;
}

TEST(Half, WholeRunThatLacksMemoryLosesNothingAndStartsAgain) {
  const testing::TemporaryFolder folder;
  for (const char* text : {"adamw", "ema(sam(sgd(momentum=0.9)), 0.9)", "muon_adamw",
                           "lbfgs(max_iter=2)", "accumulate(lookahead(noise(lamb)), 2)"}) {
    SCOPED_TRACE(text);
    const bool eager = std::string(text).starts_with("lbfgs") || text[0] == 'm';
    const std::vector<double> expected = whole_run(text, eager, folder);
    const std::uint64_t live = memory_stats().live_bytes;
    std::vector<double> got;
    fail_each_allocation([&] { got = whole_run(text, eager, folder); },
                         [&] { EXPECT_EQ(memory_stats().live_bytes, live); }, 25);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(whole_run(text, eager, folder), expected);
    if (HasFailure()) return;
  }
}

TEST(Moved, OptimizersAndSchedulesSayThatTheyWereMovedAway) {
  const Problem p(kFloat64, kMatrix);
  Optimizer o = make("adamw", p.parameters());
  Optimizer wrapped = sam(std::move(o));
  const std::string gone = "got an optimizer that was moved away";
  // NOLINTBEGIN(bugprone-use-after-move)
  EXPECT_TRUE(has_text(message_of<StateError>([&] { sam(std::move(o)); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.step(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { p.step(o); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.zero_grad(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.state_dict(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.load_state_dict({}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.set("lr", 1); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.swap_average(); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { const AverageGuard guard(o); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.set_tracer({}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { o.add_group({{"c", p.a}}, SGD{}); }), gone));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { const ReduceOnPlateau plateau(o); }), gone));
  Schedule s = cosine(1, 5);
  const Hyper first = std::move(s);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { s(0); }), "was the schedule moved away?"));
  EXPECT_THROW(Hyper{s}, ValueError);
  SGD rule{.lr = first};
  const SGD taken = std::move(rule);
  EXPECT_EQ(rule.lr(0), 1) << "a setting is copied, never moved";
  EXPECT_EQ(taken.lr(0), 1);
  EarlyStopping stopping;
  const EarlyStopping other = std::move(stopping);
  nn::Linear model(2, 1);
  stopping.step(1, model);
  stopping.restore(model);
  ReduceOnPlateau plateau(wrapped);
  const ReduceOnPlateau second = std::move(plateau);
  EXPECT_TRUE(
      has_text(message_of<StateError>([&] { plateau.step(1); }), "expected one that lives"));
  auto step = compile([](const Tensor& x) { return x * 2; });
  auto third = std::move(step);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { step(ones({2})); }), "was moved away"));
  // NOLINTEND(bugprone-use-after-move)
}

}  // namespace
}  // namespace descent
