// Files: what is kept when a file is replaced, what is refused, and what is left when writing fails
// or the program is killed.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>
#include <descent/core/memory.h>
#include <descent/core/random.h>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <new>
#include <thread>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode;
}
/// Writes a file without waiting for the disk.
void put(const std::string& path, const std::string& contents) {
  std::filesystem::remove(path);  // truncating a file waits for some disks
  std::ofstream(path, std::ios::binary) << contents;
}
std::ptrdiff_t count_of(const TemporaryFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path), {});
}

// ---- writing ----

TEST(WriteFile, TakesContentsInPieces) {
  const TemporaryFolder folder;
  const std::string path = folder / "pieces";
  write_file(path, [](const auto& write) {
    for (const char* piece : {"one ", "", "two"}) write(piece);
  });
  EXPECT_EQ(read_file(path), "one two");
  // If the writer fails half-way, the old file stays, and no temporary file is left.
  EXPECT_THROW(write_file(path,
                          [](const auto& write) {
                            write("three");
                            fail<ValueError>("test", "no more");
                          }),
               ValueError);
  EXPECT_EQ(read_file(path), "one two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path),
                          std::filesystem::directory_iterator()),
            1);
}

TEST(WriteFile, ReplacesWholeOrNotAtAll) {
  const TemporaryFolder folder;
  write_file(folder / "f", "old");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { write_file(folder / "missing/f", "new"); }),
                       "could not create"));
  EXPECT_EQ(read_file(folder / "f"), "old");
  write_file(folder / "f", "new");
  EXPECT_EQ(read_file(folder / "f"), "new");
}

TEST(WriteFile, GivesTheModeOfTheUmaskAndKeepsThatOfAReplacedFile) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  write_file(folder / "f", "new");
  ::umask(before);
  EXPECT_EQ(mode_of(folder / "f") & 07777, 0640u);
  for (const mode_t mode : {0600, 0755, 0664}) {
    ASSERT_EQ(::chmod((folder / "f").c_str(), mode), 0);
    write_file(folder / "f", "again");
    EXPECT_EQ(mode_of(folder / "f") & 07777, mode);
  }
}

TEST(WriteFile, KeepsSymbolicLinksAndReplacesWhatTheyLeadTo) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path / "inner");
  write_file(folder / "inner/target", "old");
  std::filesystem::create_symlink("inner/target", folder.path / "link");
  std::filesystem::create_symlink("link", folder.path / "second");
  std::filesystem::create_symlink("inner/none", folder.path / "dangling");
  std::filesystem::create_symlink("loop", folder.path / "loop");
  write_file(folder / "second", "new");
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "second")) && S_ISLNK(mode_of(folder / "link")));
  EXPECT_EQ(read_file(folder / "inner/target"), "new");
  write_file(folder / "dangling", "made");
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "dangling")));
  EXPECT_EQ(read_file(folder / "inner/none"), "made");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { write_file(folder / "loop", "x"); }),
                       "could not follow"));
}

TEST(WriteFile, WritesToADeviceAndDoesNotReplaceIt) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/null", folder.path / "null");
  write_file(folder / "null", "gone");
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/null")));
  const std::string text = message_of<FileError>([] { write_file("/dev/full", "x"); });
  EXPECT_TRUE(has_text(text, "could not write '/dev/full': No space left on device")) << text;
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/full")));
}

TEST(WriteFile, TakesANameAsLongAsTheSystemAllows) {
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  write_file(folder / name, "long");
  EXPECT_EQ(read_file(folder / name), "long");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { write_file(folder / (name + "n"), "x"); }),
                       "File name too long"));
}

TEST(WriteFile, RemovesTheTemporaryFilesOfDeadProgramsAlone) {
  const TemporaryFolder folder;
  const std::string stale = folder / ".descent-0123456789abcdef.tmp";
  const std::string locked = folder / ".descent-fedcba9876543210.tmp";
  for (const std::string& path : {stale, locked}) ::close(::creat(path.c_str(), 0600));
  const int fd = ::open(locked.c_str(), O_WRONLY);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  write_file(folder / "f", "x");
  EXPECT_FALSE(std::filesystem::exists(stale));
  EXPECT_TRUE(std::filesystem::exists(locked)) << "somebody writes it";
  ::close(fd);
}

/// Makes the n-th of a kind of call fail.
int g_left;
int fail_now(int error) {
  errno = error;
  return -1;
}

TEST(WriteFile, LeavesTheOldFileWhereAnyCallFails) {
  const TemporaryFolder folder;
  write_file(folder / "f", "old");
  const detail::FileCalls real = detail::file_calls;
  const auto expect_untouched = [&](const char* text) {
    EXPECT_TRUE(has_text(message_of<FileError>([&] { write_file(folder / "f", "new"); }), text));
    detail::file_calls = real;
    EXPECT_EQ(read_file(folder / "f"), "old");
    EXPECT_EQ(count_of(folder), 1) << "a temporary file was left";
  };
  detail::file_calls.create = [](const char*, int, unsigned) { return fail_now(EROFS); };
  expect_untouched("could not create");
  detail::file_calls.write = [](int, const void*, std::size_t) -> ssize_t {
    return fail_now(ENOSPC);
  };
  expect_untouched("No space left on device");
  g_left = 1;
  detail::file_calls.write = [](int fd, const void* p, std::size_t) -> ssize_t {
    return g_left-- > 0 ? ::write(fd, p, 1) : fail_now(EDQUOT);
  };
  expect_untouched("Disk quota exceeded");
  detail::file_calls.fsync = [](int) { return fail_now(EIO); };
  expect_untouched("could not flush");
  detail::file_calls.rename = [](const char*, const char*) { return fail_now(EACCES); };
  expect_untouched("could not replace");
  // A write that is interrupted, or writes less than it got, goes on.
  g_left = 2;
  detail::file_calls.write = [](int fd, const void* p, std::size_t) -> ssize_t {
    return g_left-- > 0 ? fail_now(EINTR) : ::write(fd, p, 1);
  };
  write_file(folder / "f", "new");
  detail::file_calls = real;
  EXPECT_EQ(read_file(folder / "f"), "new");
}

/// Runs f in a child process, which ends with exit code 0 if f throws nothing.
template <class F>
pid_t in_child(F f) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    f();
    ::_exit(0);
  } catch (...) {
    ::_exit(1);
  }
}

TEST(WriteFile, SurvivesBeingKilledAtAnyMoment) {
  const TemporaryFolder folder;
  save_tensors(folder / "x", {{"w", zeros({3000})}});
  Generator generator(11);
  SCOPED_TRACE("seed 11");
  for (int kill = 0; kill < 200; ++kill) {
    const pid_t child = in_child([&] {
      for (std::int64_t n = 1;; ++n) save_tensors(folder / "x", {{"w", full({3000 + n % 7}, 1.0)}});
    });
    ::usleep(static_cast<useconds_t>(200 + generator.below(6000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Tensor w = load_tensors(folder / "x").tensors.at("w");
    EXPECT_TRUE(w.numel() >= 3000 && w.min().item() == w.max().item());
    EXPECT_LE(count_of(folder), 2) << "each program leaves one temporary file at most";
  }
  write_file(folder / "other", "");
  EXPECT_EQ(count_of(folder), 2) << "the next write removes what is left";
}

TEST(WriteFile, NamesALimitOfTheSystem) {
  const TemporaryFolder folder;
  write_file(folder / "f", "old");
  const pid_t child = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string text =
        message_of<FileError>([&] { write_file(folder / "f", std::string(5000, 'x')); });
    if (text.find("File too large") == text.npos) throw 1;
  });
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(folder / "f"), "old");
  EXPECT_EQ(count_of(folder), 1);
}

TEST(WriteFile, LeavesTheOldFileOnAFullDisk) {
  const TemporaryFolder folder;
  const pid_t child = in_child([&] {  // the disk of 64 KiB is there for this process alone
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", folder.path.c_str(), "tmpfs", 0, "size=64k") != 0)
      ::_exit(77);
    write_file(folder / "f", std::string(20000, 'o'));
    const std::string text =
        message_of<FileError>([&] { write_file(folder / "f", std::string(50000, 'x')); });
    if (text.find("No space left") == text.npos || count_of(folder) != 1) throw 1;
    if (read_file(folder / "f") != std::string(20000, 'o')) throw 2;
    write_file(folder / "g", std::string(45000, 'g'));
    if (message_of<FileError>([&] { make_folder(folder.path.string()); }).empty()) throw 3;
  });
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "only the superuser may mount a small disk";
  EXPECT_EQ(status, 0);
}

TEST(MakeFolder, NamesTheFolderThatCannotBe) {
  const TemporaryFolder folder;
  ::symlink("b", (folder / "a").c_str());
  ::symlink("a", (folder / "b").c_str());
  for (const std::string& path :
       {folder / "a", folder / std::string(300, 'y'), folder / "a/b", std::string("/dev/null/x")})
    EXPECT_TRUE(has_text(message_of<FileError>([&] { make_folder(path); }),
                         "could not make the folder '" + path + "'"));
}

// ---- reading ----

TEST(ReadFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const auto& [path, kind] : std::map<std::string, std::string>{
           {"/dev/zero", "got a device"}, {folder / "pipe", "got a pipe"}, {"/", "got a folder"}}) {
    EXPECT_TRUE(has_text(message_of<FileError>([&, p = path] { read_file(p); }), kind));
    EXPECT_TRUE(has_text(message_of<FileError>([&, p = path] { load_tensors(p); }), kind));
  }
  EXPECT_FALSE(read_file("/proc/self/status").empty()) << "its size reads as 0";
}

TEST(ReadInput, ReadsPipesUpToALimit) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::uint64_t most : {10, 9}) {
    std::thread writer([&] { std::ofstream(pipe) << "0123456789"; });
    if (most == 10)
      EXPECT_EQ(read_input(pipe, most), "0123456789");
    else
      EXPECT_TRUE(has_text(message_of<FileError>([&] { read_input(pipe, most); }),
                           "got more than 9 bytes from '"));
    writer.join();
  }
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { read_input(folder / "none"); }), "could not open '"));
}

#if defined(__has_feature)
#define DESCENT_ADDRESS __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define DESCENT_ADDRESS 1
#endif
#if !DESCENT_ADDRESS  // which ends a program that asks for too much
TEST(ReadFile, RefusesAFileLargerThanTheMemory) {
  const TemporaryFolder folder;
  write_file(folder / "sparse", "");
  if (::truncate((folder / "sparse").c_str(), off_t{1} << 43) == 0) {
    EXPECT_TRUE(has_text(message_of<MemoryError>([&] { read_file(folder / "sparse"); }),
                         "of 8796093022208 bytes"));
  }
}
#endif

TEST(Gunzip, RefusesAFileThatUnpacksToFarMoreThanItHolds) {
  std::string packed(300000, '\0');
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 100; ++i) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    ASSERT_EQ(deflate(&stream, i == 99 ? Z_FINISH : Z_NO_FLUSH), i == 99 ? Z_STREAM_END : Z_OK);
  }
  packed.erase(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { gunzip(packed, "bomb"); }),
                       "bomb: got more than 67108864 bytes"));
  EXPECT_EQ(gunzip(packed, "allowed", {.always = 200u << 20}).size(), 100u << 20);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { gunzip(packed, "b", {.bytes = 1000}); }),
                       "got more than 1000 bytes"));
}

// ---- tensors ----

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
    put(folder / "cut", whole.substr(0, n));
    EXPECT_THROW(load_tensors(folder / "cut"), FileError) << n;
  }
  Generator generator(8);
  SCOPED_TRACE("seed 8");
  for (int i = 0; i < 3000; ++i) {  // damaged: may throw or give wrong values, but not crash
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k)
      damaged[generator.below(damaged.size())] = static_cast<char>(generator.next());
    put(folder / "bad", damaged);
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

/// The message about a file with this header.
std::string refusal(const TemporaryFolder& folder, const std::string& header,
                    const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  write_file(folder / "x", file + header + data);
  const std::string text = message_of<FileError>([&] { load_tensors(folder / "x"); });
  EXPECT_LT(text.size(), 700 + folder.path.string().size());
  return text;
}

TEST(Archive, RefusesHostileHeaders) {
  const TemporaryFolder folder;
  const std::string deep(100000, '['), closed = deep + std::string(100000, ']');
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const auto with = [&](const std::string& field, const std::string& value) {
    std::string entry = good;
    const std::size_t at = entry.find("\"" + field + "\":") + field.size() + 3;
    const std::size_t end = entry[at] == '[' ? entry.find(']', at) + 1 : entry.find(',', at);
    return R"({"w":{)" + entry.replace(at, end - at, value) + "}}";
  };
  for (const char* field : {"dtype", "shape", "data_offsets"})
    for (const std::string& value :
         {deep, closed, std::string("[[1]]"), std::string("{}"), std::string("null"),
          std::string("-1"), std::string("[1.5]"), std::string("[true]"), std::string("[-1]")})
      EXPECT_TRUE(has_text(refusal(folder, with(field, value), "1234"), "where '")) << field;
  EXPECT_TRUE(has_text(refusal(folder, deep), "is a list, not an object"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"w":)" + closed + "}"), "where 'w' is a list"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"w":{"more":)" + closed + "," + good + "}}"), "a list"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"__metadata__":{"a":)" + closed + "}}"), "a list"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"w":{)" + good + R"(},"w":{)" + good + "}}", "1234"),
                       "which has the name 'w' twice"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"w":{"dtype":"F32",)" + good + "}}", "1234"),
                       "which has the name 'dtype' twice"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"__metadata__":{"a":"b","a":"c"}})"), "'a' twice"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"__metadata__":{},"__metadata__":{}})"), "twice"));
  EXPECT_TRUE(has_text(refusal(folder, R"({"w":{"dtype":"F32","shape":[1]}})"),
                       "whose tensor 'w' has no data_offsets"));
  const std::string name(1000000, 'n');
  EXPECT_TRUE(has_text(refusal(folder, "{\"" + name + "\":1}"), "n…' is a number"));
  EXPECT_TRUE(
      has_text(refusal(folder, with("dtype", "\"" + name + "\""), "1234"), "n…', expected"));
  EXPECT_TRUE(has_text(refusal(folder, with("shape", "[1,1,1,1,1,1,1,1,1,1,1,1,1]"), "1234"),
                       "a list that is too long"));
  EXPECT_TRUE(has_text(refusal(folder, with("shape", "[1099511627777]")), "is too large"));
  EXPECT_TRUE(has_text(refusal(folder, with("shape", "[99999999999999999999]")), "a fraction"));
  EXPECT_TRUE(has_text(refusal(folder, with("data_offsets", "[0,3]"), "123"),
                       "does not lie at two offsets that are 4 bytes apart, within 3"));
  std::string names = "{";
  for (int i = 0; i <= (1 << 17) + 1; ++i) names += to_text("\"", i, "\":{", good, "},");
  EXPECT_TRUE(has_text(refusal(folder, names), "which has more than 131072 names"));
  EXPECT_TRUE(has_text(refusal(folder, std::string((16 << 20) + 1, ' ')), "whose header claims"));
  EXPECT_TRUE(has_text(refusal(folder, "{\"w\""), "it goes wrong at byte"));
  EXPECT_TRUE(has_text(refusal(folder, with("shape", "[1]"), "12345"),
                       "which has 1 bytes that belong to no tensor"));
}

TEST(Archive, TakesMemoryForItsTensorsAndLittleMore) {
  const TemporaryFolder folder;
  const std::string good = R"("dtype":"F32","shape":[0],"data_offsets":[0,0])";
  std::string fields = "{\"w\":{", notes = "{\"__metadata__\":{", tensors = "{";
  for (int i = 0; i < 120000; ++i) {
    fields += to_text("\"", i, "\":[", i, "],");
    notes += to_text("\"", i, "\":\"a\",");
    tensors += to_text("\"", i, "\":{", good, "},");
  }
  const std::string text((15 << 20), 'a');
  for (const std::string& header :
       {fields + good + "}}", notes + "\"x\":\"\"}}", tensors, "{\"" + text + "\":1}",
        "{\"w\":{\"dtype\":\"" + text + "\"}}", std::string(15 << 20, '[')}) {
    const std::uint64_t length = header.size();
    write_file(folder / "x",
               std::string(reinterpret_cast<const char*>(&length), sizeof length) + header);
    const testing::PeakMemory peak;
    try {
      load_tensors(folder / "x");
    } catch (const FileError&) {
    }
    EXPECT_LT(peak.bytes(), static_cast<std::int64_t>(length) + (std::int64_t{64} << 20))
        << header.substr(0, 50);
  }
}

TEST(Archive, SurvivesEveryRequestForMemoryThatFails) {
  const TemporaryFolder folder;
  const std::map<std::string, Tensor> tensors{{"a", ones({3, 2})}, {"b", zeros({600})}};
  const std::map<std::string, std::string> notes{{"note", "text"}};
  save_tensors(folder / "x", tensors, notes);
  const std::string whole = read_file(folder / "x");
  const auto fail_each = [&](const std::function<void()>& f) {
    std::int64_t n = 1;
    for (;; ++n) {
      const auto live = memory_stats().live_bytes;
      const testing::FailAllocation fail(n);
      try {
        f();
      } catch (const std::bad_alloc&) {
      } catch (const Error&) {
      }
      EXPECT_EQ(memory_stats().live_bytes, live) << n;
      if (!fail.failed()) break;
      EXPECT_EQ(count_of(folder), 1) << n;
    }
    EXPECT_GT(n, 5);
    EXPECT_EQ(read_file(folder / "x"), whole);
  };
  fail_each([&] { save_tensors(folder / "x", tensors, notes); });
  fail_each([&] { load_tensors(folder / "x"); });
}

// ---- messages ----

TEST(Errors, HaveAShortTextInUtf8WhateverTheyQuote) {
  EXPECT_EQ(std::string(Error("ä\xff\xc3(\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82€\x1b[0m\n").what()),
            "ä?\?(" + std::string(9, '?') + "€?[0m\n");
  const std::string text = Error(std::string(5000, 'a') + "ö. Hint: end").what();
  EXPECT_LT(text.size(), 1000u);
  EXPECT_TRUE(text.starts_with("aaa") && text.ends_with("aö. Hint: end"));
  EXPECT_EQ(brief("äöü", 3), "ä…") << "whole characters";
  EXPECT_EQ(brief("äöü", 0, 3), "…ü");
  EXPECT_EQ(brief("äöü", 6), "äöü");
}

TEST(Memory, TooMuchIsRefusedWithShapeAndBytes) {
  EXPECT_TRUE(has_text(
      message_of<MemoryError>([] {
        empty({1 << 24, 1 << 24}, kFloat64);
      }),
      "[empty] got shape (16777216, 16777216) of float64, which takes 2251799813685248 bytes"));
  EXPECT_TRUE(has_text(message_of<MemoryError>([] { detail::allocate(std::size_t{1} << 51); }),
                       "got a request for 2251799813685248 bytes"));
}

}  // namespace
}  // namespace descent
