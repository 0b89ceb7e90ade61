// Memory, threads, files and messages.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <descent/core/floating_mode.h>
#include <descent/core/log.h>
#include <descent/descent.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;

TEST(Memory, ComesBackToTheFreeLists) {
  const auto before = memory_stats();
  { const Tensor t = zeros({1000, 1000}); }
  const auto after = memory_stats();
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_GE(after.cached_bytes, 4000000u);
  const auto count = after.system_allocations;
  { const Tensor t = zeros({1000, 1000}); }
  EXPECT_EQ(memory_stats().system_allocations, count);
  release_cached_memory();
  EXPECT_LT(memory_stats().cached_bytes, 4000000u);
}

TEST(Memory, ReportsThePeak) {
  reset_peak_memory();
  const auto before = memory_stats().peak_bytes;
  { const Tensor t = empty({1 << 20}); }
  EXPECT_GE(memory_stats().peak_bytes, before + (4u << 20));
}

TEST(Memory, IsAlignedForEverySize) {
  for (std::size_t n = 1; n < 5000; n += 7) {
    void* p = detail::allocate(n);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u) << n;
    std::memset(p, 1, n);
    detail::deallocate(p, n);
  }
}

TEST(Memory, MayBeFreedByAnotherThread) {
  std::vector<Tensor> tensors;
  for (int i = 0; i < 1000; ++i) tensors.push_back(ones({100}));
  std::thread([moved = std::move(tensors)]() mutable { moved.clear(); }).join();
  EXPECT_EQ(sum(ones({100})).item(), 100);
}

TEST(Memory, ATrainingStepAllocatesNothingInSteadyState) {
  manual_seed(1);
  const data::Dataset digits = data::digits();
  nn::Sequential model(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer optimizer(model.parameters(), optim::Adam{.lr = 1e-3});
  data::DataLoader loader(digits, {.batch_size = 32, .drop_last = true});
  const auto step = [&](const Tensor& x, const Tensor& y) {
    optimizer.zero_grad();
    nn::cross_entropy(model(x), y).backward();
    optimizer.step();
  };
  int steps = 0;
  for (auto [x, y] : loader)
    if (++steps <= 10) step(x, y);
  auto batch = loader.begin();
  const testing::CountAllocations count;
  for (int i = 0; i < 40; ++i, ++batch) {
    auto [x, y] = *batch;
    step(x, y);
  }
  EXPECT_EQ(count.so_far(), 0);
}

TEST(Memory, ARequestThatFailsLeavesNothingBehind) {
  const Tensor a = ones({300}), b = ones({7, 1}), index = tensor({0, 1});
  std::int64_t n = 1;
  for (;; ++n) {
    const auto before = memory_stats().live_bytes;
    const testing::FailAllocation fail(n);
    try {
      index_select(stack(std::vector<Tensor>{a + b, a * b}), 2, index).reshape({-1}).to_vector();
    } catch (const std::bad_alloc&) {
    }
    EXPECT_EQ(memory_stats().live_bytes, before) << n;
    if (!fail.failed()) break;
  }
  EXPECT_GT(n, 10);  // of which some come from the free lists and some from operator new
}

TEST(Parallel, CutsAtTheSamePlacesWhateverTheThreads) {
  for (const int n : {1, 2, 7}) {
    const testing::WithThreads threads(n);
    std::vector<std::atomic<int>> seen(1000);
    std::atomic<int> pieces = 0;
    parallel_for(1000, 64, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(begin % 64, 0);
      ++pieces;
      for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    EXPECT_EQ(pieces, 16);
    for (const auto& s : seen) EXPECT_EQ(s, 1);
  }
}

TEST(Parallel, PassesExceptionsOn) {
  EXPECT_THROW(parallel_for(1000, 10,
                            [](std::int64_t begin, std::int64_t) {
                              if (begin == 500) throw std::runtime_error("here");
                            }),
               std::runtime_error);
  EXPECT_TRUE(has_text(message_of<ValueError>([] { set_num_threads(0); }),
                       "[set_num_threads] got 0, expected at least 1"));
}

TEST(FloatingMode, FlushesDenormalsOnEveryThreadAndPutsTheModeBack) {
  const unsigned before = detail::floating_mode();
  {
    const detail::FlushDenormals flush;
    volatile float tiny = 1e-40f;
    EXPECT_EQ(tiny * 1.0f, 0.0f);
    std::atomic<int> kept = 0;
    parallel_for(64, 1, [&](std::int64_t, std::int64_t) {
      volatile float t = 1e-40f;
      kept += t * 1.0f != 0.0f;
    });
    EXPECT_EQ(kept, 0);
  }
  EXPECT_EQ(detail::floating_mode(), before);
}

TEST(Fork, LeavesAChildThatComputesWithTheSameBits) {
  Generator generator(4);
  const Tensor a = randn({300, 300}, generator);
  const double expected = sum(matmul(a, a)).item();
  std::atomic<bool> stop = false;
  std::thread allocates([&] {
    while (!stop) zeros({100});
  });
  for (int n = 0; n < 20; ++n) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int k = 0; k < 100; ++k) zeros({1000});
      ::_exit(sum(matmul(a, a)).item() == expected ? 0 : 1);
    }
    int status = -1;
    for (int waited = 0; ::waitpid(child, &status, WNOHANG) == 0; ++waited) {
      ::usleep(1000);
      if (waited < 20000) continue;
      ::kill(child, SIGKILL);
      ADD_FAILURE() << "the child hangs";
    }
    EXPECT_EQ(status, 0);
  }
  stop = true;
  allocates.join();
}

TEST(Memory, StaysTheSameWhileOneThreadMakesTensorsAndAnotherDropsThem) {
  constexpr int kHandedOver = 1000, kTimes = 1000;  // a million tensors
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Tensor> on_the_way;
  std::uint64_t early = 0;
  const auto held = [] {
    const MemoryStats m = memory_stats();
    return m.live_bytes + m.cached_bytes;
  };
  std::thread consumer([&] {
    for (int i = 0; i < kTimes; ++i) {
      std::vector<Tensor> mine;
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !on_the_way.empty(); });
      mine.swap(on_the_way);
      lock.unlock();
      changed.notify_one();
    }
  });
  for (int i = 0; i < kTimes; ++i) {
    std::vector<Tensor> made;
    for (int k = 0; k < kHandedOver; ++k) made.push_back(empty({8}));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return on_the_way.empty(); });
    on_the_way.swap(made);
    lock.unlock();
    changed.notify_one();
    if (i == kTimes / 10) early = held();
  }
  consumer.join();
  EXPECT_LT(held(), early + (2u << 20));  // each thread keeps a few thousand blocks
}

TEST(Memory, OfAThreadThatEndsServesTheTensorsThatItLeft) {
  const auto nodes = live_nodes();
  std::vector<Tensor> left;
  for (int i = 0; i < 20; ++i)
    std::thread([&] {
      static thread_local std::vector<Tensor> until_the_end;  // dies after the thread's free lists
      const Tensor w = ones({100}).requires_grad_();
      until_the_end = {w * 2, w * w};
      left.push_back(until_the_end[1] * 3);
    }).join();
  for (const Tensor& t : left) EXPECT_EQ(sum(t).item(), 300);
  sum(left[7]).backward();
  left.clear();
  EXPECT_EQ(live_nodes(), nodes);
}

TEST(Memory, OfStaticObjectsIsFreedAfterMain) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static std::optional<optim::Optimizer> optimizer;  // dies after what the library makes
        static Tensor loss;
        static thread_local Tensor last;
        const Tensor w = ones({300}).requires_grad_();
        optimizer = optim::ema(optim::Optimizer({{"w", w}}, optim::AdamW{}), 0.9);
        loss = sum(square(w));
        loss.backward({}, {.retain_graph = true});
        optimizer->step();
        last = loss * 2;
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "^$");
}

TEST(Memory, ThatLacksWhenTheThreadsStartIsToldOnceAndTheCallerGoesOn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::atomic<std::int64_t> done = 0;
        const auto count = [&](auto begin, auto end) { done += end - begin; };
        set_num_threads(2);
        try {
          const testing::FailAllocation first(1);
          parallel_for(20, 1, count);
        } catch (const std::bad_alloc&) {
          std::fputs("told", stderr);
        }
        parallel_for(20, 1, count);  // must not wait for ever
        std::exit(done == 20 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "^told$");
}

TEST(Errors, NameWhatIsEmptyOrWasMovedAway) {
  EXPECT_TRUE(has_text(message_of<ValueError>([] { parallel_for(10, 0, [](auto, auto) {}); }),
                       "[parallel_for] got pieces of 0 elements"));
  const Tensor w = ones({2}).requires_grad_();
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         optim::Optimizer o({{"w", w}}, optim::SGD{.lr = optim::Schedule{}});
                       }),
                       "[schedule] got '' without a function"));
  optim::Optimizer o({{"w", w}}, optim::SGD{});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.step(std::function<double()>()); }),
                       "[step] got an empty function"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { w.register_hook({}); }), "got an empty function"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { gradcheck({}, {w}); }), "got an empty function"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { nn::Linear(2, 2).apply({}); }),
                       "got an empty function"));
  for (const int group : {-2, -1, 1}) {
    const std::string text = to_text("got group ", group, ", expected one in [0, 1)");
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.get("lr", group); }), text));
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.fields(group); }), text));
    if (group != -1) {
      EXPECT_TRUE(has_text(message_of<ValueError>([&] { o.set("lr", 1, group); }), text));
    }
  }
  EXPECT_THROW(eye(3, -2), ShapeError);
  // NOLINTBEGIN(bugprone-use-after-move): this is the mistake
  const optim::Optimizer wrapped = optim::sam(std::move(o));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { optim::sam(std::move(o)); }),
                       "got an optimizer that was moved away"));
  auto step = compile([](const Tensor& x) { return x * 2; });
  auto moved = std::move(step);
  EXPECT_EQ(moved(ones({2})).to_vector(), std::vector<double>(2, 2.0));
  EXPECT_TRUE(has_text(message_of<StateError>([&] { step(ones({2})); }),
                       "[compile] got a compiled step that was moved away"));
  // NOLINTEND(bugprone-use-after-move)
}

TEST(Errors, FindTheNearestName) {
  const std::vector<std::string> names{"adam", "adamw", "rmsprop"};
  EXPECT_EQ(nearest_match("adm", names), "adam");
  EXPECT_EQ(nearest_match("rmspop", names), "rmsprop");
  EXPECT_EQ(nearest_match("zzzzzzz", names), "");
}

}  // namespace
}  // namespace descent
