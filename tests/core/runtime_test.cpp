// Memory, threads, files and messages.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <descent/core/floating_mode.h>
#include <descent/core/log.h>
#include <descent/descent.h>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
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

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    static std::atomic<int> next = 0;
    path = std::filesystem::temp_directory_path() /
           to_text("descent-test-", static_cast<long>(::getpid()), "-", next++);
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

TEST(Archive, GivesBackWhatWasSaved) {
  const TemporaryFolder folder;
  const std::map<std::string, Tensor> saved{
      {"a", randn({2, 3})},       {"transposed", randn({4, 5}, kFloat64).t()},
      {"label", tensor({1, -2})}, {"flag", tensor({true, false, true})},
      {"scalar", tensor(2.5)},    {"empty", zeros({0, 4})}};
  save_tensors(folder / "x", saved, {{"note", "ä \"quoted\""}});
  const Archive loaded = load_tensors(folder / "x");
  ASSERT_EQ(loaded.tensors.size(), saved.size());
  for (const auto& [name, t] : saved) {
    EXPECT_EQ(loaded.tensors.at(name).shape(), t.shape());
    EXPECT_EQ(loaded.tensors.at(name).dtype(), t.dtype());
    EXPECT_EQ(loaded.tensors.at(name).to_vector(), t.to_vector()) << name;
  }
  EXPECT_EQ(loaded.metadata.at("note"), "ä \"quoted\"");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1)
      << "a temporary file was left";
}

TEST(Archive, RefusesEveryCutAndDamagedFile) {
  const TemporaryFolder folder;
  save_tensors(folder / "x", {{"weight", randn({3, 2})}, {"bias", randn({2})}});
  const std::string whole = read_file(folder / "x");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    write_file(folder / "cut", whole.substr(0, n));
    EXPECT_THROW(load_tensors(folder / "cut"), FileError) << n;
  }
  Generator generator(8);
  SCOPED_TRACE("seed 8");
  for (int i = 0; i < 3000; ++i) {  // damaged: may throw or give wrong values, but not crash
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k)
      damaged[generator.below(damaged.size())] = static_cast<char>(generator.next());
    write_file(folder / "bad", damaged);
    try {
      load_tensors(folder / "bad");
    } catch (const FileError&) {
    }
  }
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { load_tensors(folder / "none"); }), "could not open"));
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { load_tensors(folder.path.string()); }), "got a folder"));
}

TEST(Files, AreReplacedWholeOrNotAtAll) {
  const TemporaryFolder folder;
  write_file(folder / "f", "old");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { write_file(folder / "missing/f", "new"); }),
                       "could not create"));
  EXPECT_EQ(read_file(folder / "f"), "old");
  write_file(folder / "f", "new");
  EXPECT_EQ(read_file(folder / "f"), "new");
}

TEST(Errors, FindTheNearestName) {
  const std::vector<std::string> names{"adam", "adamw", "rmsprop"};
  EXPECT_EQ(nearest_match("adm", names), "adam");
  EXPECT_EQ(nearest_match("rmspop", names), "rmsprop");
  EXPECT_EQ(nearest_match("zzzzzzz", names), "");
}

}  // namespace
}  // namespace descent
