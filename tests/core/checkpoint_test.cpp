// Checkpoints: what is kept, and what happens if a file is damaged or does not fit.
// tests/optim/resume_test.cpp resumes training runs.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <descent/core/archive.h>
#include <descent/core/checkpoint.h>
#include <descent/core/create.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>

#include <gtest/gtest.h>
#include <algorithm>
#include <cerrno>
#include <cmath>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

/// The names of the files in a folder.
std::vector<std::string> files_in(const TemporaryFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}
std::string name_of(int number) { return to_text("checkpoint-00000", number, ".safetensors"); }

/// A run whose parts are of each kind that is not a class with a state.
struct Training {
  std::int64_t step = 0;
  double rate = 1;
  Generator generator{7};
  Tensor history;
  Checkpoint checkpoint;

  explicit Training(const std::string& folder, CheckpointOptions options = {})
      : checkpoint(folder, std::move(options)) {
    checkpoint.add("step", step);
    checkpoint.add("rate", rate);
    checkpoint.add("generator", generator);
    checkpoint.add("history", history);
  }
  void go() {
    ++step;
    rate /= 3;
    history = full({step}, generator.uniform(), kFloat64);
  }
};

TEST(Checkpoint, BringsBackPartsOfEveryKind) {
  const TemporaryFolder folder;
  manual_seed(5);
  Training first(folder / "run");
  EXPECT_FALSE(first.checkpoint.load());
  first.checkpoint.save();  // the tensor is undefined yet
  Training empty(folder / "run");
  empty.history = ones({2});
  EXPECT_TRUE(empty.checkpoint.load());
  EXPECT_FALSE(empty.history.defined());
  first.go();
  first.go();
  default_generator().next();
  first.checkpoint.save();
  const auto drawn = default_generator().next();

  Training second(folder / "run");
  EXPECT_TRUE(second.checkpoint.load());
  EXPECT_EQ(second.step, 2);
  EXPECT_EQ(second.rate, first.rate);
  EXPECT_EQ(second.generator.state(), first.generator.state());
  EXPECT_EQ(second.history.to_vector(), first.history.to_vector());
  EXPECT_EQ(default_generator().next(), drawn);
}

TEST(Checkpoint, KeepsTheLastFilesAndTheBest) {
  const TemporaryFolder folder;
  for (const bool maximize : {false, true}) {
    Training run(folder.path.string(), {.keep = 2, .maximize = maximize});
    for (const double metric : {5.0, 3.0, std::nan(""), 9.0, 4.0, 6.0}) {
      run.go();
      run.checkpoint.save(metric);
    }
    const int best = maximize ? 4 : 2;
    EXPECT_EQ(files_in(folder), (std::vector{name_of(best), name_of(5), name_of(6)}));
    EXPECT_EQ(run.checkpoint.best(), maximize ? 9 : 3);

    Training other(folder.path.string(), {.keep = 2, .maximize = maximize});
    EXPECT_TRUE(other.checkpoint.load_best());
    EXPECT_EQ(other.step, best);
    other.checkpoint.save();  // goes on from the best, behind the last
    EXPECT_EQ(files_in(folder), (std::vector{name_of(best), name_of(6), name_of(7)}));
    EXPECT_TRUE(run.checkpoint.load());
    EXPECT_EQ(run.step, best);
    EXPECT_EQ(run.checkpoint.best(), maximize ? 9 : 3);
    run.checkpoint.clear();
    EXPECT_EQ(files_in(folder), std::vector<std::string>());
    EXPECT_FALSE(run.checkpoint.load_best());
  }
}

TEST(Checkpoint, TakesTheFileBeforeADamagedOneAndNamesTheDamagedOne) {
  const TemporaryFolder folder;
  Training run(folder.path.string());
  for (int i = 0; i < 2; ++i) {
    run.go();
    run.checkpoint.save();
  }
  const std::string newest = folder / name_of(2), whole = read_file(newest);
  // Any byte of the values: the format alone does not tell that they are wrong.
  for (std::size_t at = whole.size() - 1; at > whole.size() - 60; at -= 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    write_file(newest, damaged);
    Training other(folder.path.string());
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(other.checkpoint.load()) << at;
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(has_text(log, "checkpoint-000002")) << at;
    EXPECT_EQ(other.step, 1) << at;
  }
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    write_file(newest, std::string_view(whole).substr(0, size));
    Training other(folder.path.string());
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(other.checkpoint.load()) << size;
    EXPECT_TRUE(has_text(::testing::internal::GetCapturedStderr(), "checkpoint-000002")) << size;
    EXPECT_EQ(other.step, 1) << size;
  }
  write_file(folder / name_of(1), "nothing");
  Training other(folder.path.string());
  EXPECT_TRUE(has_text(message_of<FileError>([&] { other.checkpoint.load(); }),
                       "2 checkpoints, all of them damaged"));
}

TEST(Checkpoint, KeepsWholeFilesAndCountsNoOthers) {
  const TemporaryFolder folder;
  {
    Training run(folder.path.string(), {.keep = 2});
    for (int i = 0; i < 2; ++i) {
      run.go();
      run.checkpoint.save();
    }
  }
  write_file(folder / name_of(2), "damaged");
  const std::string absurd = "checkpoint-9223372036854775807.safetensors";
  write_file(folder / absurd, "no number of ours");
  Training run(folder.path.string(), {.keep = 2});
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(run.checkpoint.load());
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(run.step, 1);
  const auto expect_files = [&](std::vector<int> numbers) {
    std::vector<std::string> names;
    for (const int n : numbers) names.push_back(name_of(n));
    names.push_back(absurd);
    EXPECT_EQ(files_in(folder), names);
  };
  run.go();
  run.checkpoint.save();
  expect_files({1, 2, 3});
  run.go();
  run.checkpoint.save();
  expect_files({2, 3, 4});
}

TEST(Checkpoint, ChangesNoPartIfOneDoesNotFit) {
  const TemporaryFolder folder;
  Training run(folder.path.string(), {.settings = {{"lr", "0.1"}, {"width", "3"}}});
  run.go();
  run.checkpoint.save();

  const auto refused = [&](Training& other, const std::string& why) {
    other.go();
    other.go();
    const double rate = other.rate;
    EXPECT_TRUE(has_text(message_of<StateError>([&] { other.checkpoint.load(); }), why));
    EXPECT_EQ(other.step, 2);
    EXPECT_EQ(other.rate, rate);
    EXPECT_EQ(other.history.numel(), 2);
  };
  const std::map<std::string, std::string> settings{{"lr", "0.1"}, {"width", "3"}};
  Training more(folder.path.string(), {.settings = settings});
  double unsaved = 0;
  more.checkpoint.add("unsaved", unsaved);
  refused(more, "got the part 'unsaved'");
  Training changed(folder.path.string(), {.settings = {{"lr", "0.2"}, {"width", "3"}}});
  refused(changed, "lr: got '0.2', expected '0.1'");
  Training without(folder.path.string(), {.settings = {{"lr", "0.1"}}});
  refused(without, "width: got nothing, expected '3'");

  Checkpoint less(folder.path.string(), {.settings = settings});
  std::int64_t step = 9;
  less.add("step", step);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { less.load(); }), "which was not added"));
  EXPECT_EQ(step, 9);
}

TEST(Checkpoint, LosesNothingIfAFileCannotBeWritten) {
  const TemporaryFolder folder;
  Training run(folder.path.string(), {.keep = 1});
  run.go();
  run.checkpoint.save(1);
  run.go();
  const detail::FileCalls real = detail::file_calls;
  detail::file_calls.fsync = [](int) {
    errno = EIO;
    return -1;
  };
  EXPECT_TRUE(has_text(message_of<FileError>([&] { run.checkpoint.save(0); }), "could not flush"));
  detail::file_calls = real;
  EXPECT_EQ(files_in(folder), std::vector{name_of(1)});
  EXPECT_EQ(run.checkpoint.best(), 1);
  run.checkpoint.save(2);
  EXPECT_EQ(files_in(folder), (std::vector{name_of(1), name_of(2)}));
}

TEST(Checkpoint, IsLoadedWhollyOrNotAtAllWithoutMemory) {
  const TemporaryFolder folder;
  Training run(folder.path.string());
  run.go();
  run.checkpoint.save();
  bool loaded = false;
  int failures = 0;
  for (std::int64_t n = 1; !loaded; ++n) {
    Training other(folder.path.string());
    other.step = 7;
    try {
      const testing::FailAllocation fail(n);
      loaded = other.checkpoint.load();
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    EXPECT_EQ(other.step, loaded ? 1 : 7) << n;
    EXPECT_EQ(other.history.defined(), loaded) << n;
  }
  EXPECT_GT(failures, 20);
}

TEST(Checkpoint, RefusesToMixRunsAndWrongUse) {
  const TemporaryFolder folder;
  Training run(folder.path.string());
  run.checkpoint.save();
  Training other(folder.path.string());
  EXPECT_TRUE(has_text(message_of<FileError>([&] { other.checkpoint.save(); }),
                       "has 1 checkpoints of an earlier run"));
  EXPECT_EQ(files_in(folder), std::vector{name_of(1)});

  double x = 0;
  for (const char* name : {"", "a/b", "step", "checkpoint", "default_generator"})
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { run.checkpoint.add(name, x); }),
                         to_text("got the name '", name, "'")));
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { const Checkpoint c(folder.path.string(), {.keep = 0}); }),
      "got keep = 0"));
  write_file(folder / "file", "");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { const Checkpoint c(folder / "file/run"); }),
                       "could not make the folder"));

  run.go();
  run.checkpoint.save();
  Archive newer = load_tensors(folder / name_of(2));
  newer.metadata["descent_checkpoint"] = "2";
  save_tensors(folder / name_of(2), newer.tensors, newer.metadata);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { other.checkpoint.load(); }),
                       "in version 2 of the format, expected version 1"));
  save_tensors(folder / name_of(2), {});  // no checkpoint at all: the one before is taken
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(other.checkpoint.load());
  EXPECT_TRUE(has_text(::testing::internal::GetCapturedStderr(), "expected a checkpoint"));
  EXPECT_EQ(other.step, 0);

  std::filesystem::remove_all(folder.path);
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { run.checkpoint.save(); }), folder.path.string()));
}

}  // namespace
}  // namespace descent
