// A step that throws has changed nothing, whatever threw: closure, schedule, tracer, lack of
// memory, or a NaN, in eager and in compiled steps.
#include "tests/optim/all_optimizers.h"
#include "tests/optim/half.h"
#include "tests/support/fail_each.h"

#include <descent/descent.h>
#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::all_of;
using testing::all_optimizers;
using testing::fail_each_allocation;
using testing::kMatrix;
using testing::Pair;
using testing::Problem;
using testing::Thrown;

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
            const Tensor loss = pair.p.returned(pair.o);
            if (++calls == last) throw Thrown();
            return loss;
          });
        } catch (const Thrown&) {
          threw = true;
        }
        EXPECT_TRUE(threw) << name;
        EXPECT_EQ(all_of(pair.p, pair.o), before) << name << ", call " << last;
        int needed = 0;
        const Problem r(kFloat64, kMatrix);  // how many calls such a step makes
        Optimizer counting = make(description, r.parameters());
        r.start_at(pair.p);
        counting.load_state_dict(pair.o.state_dict());
        counting.step([&] {
          ++needed;
          return r.returned(counting);
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
          if (needs_graph) return p.returned(o);
          p.a.set_grad(a);
          p.b.set_grad(b);
          return zeros({}, kFloat64);
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
          const Tensor result = pair.p.returned(pair.o);
          if (pair.o.takes_residuals()) return result * NAN;
          pair.p.b.grad().mul_(NAN);
          return result;
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

TEST(Half, CompiledStepThatThrowsChangesNothing) {
  const Tensor table = ones({2}, kFloat64);
  for (const testing::Described& described : all_optimizers()) {
    const std::string& name = described.name;
    if (name == "muon" || name == "sophia" || name == "looksam" ||
        testing::searches(described.description))
      continue;  // are not compiled
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

}  // namespace
}  // namespace descent
