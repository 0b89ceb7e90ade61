// NumPy's files, byte by byte; tests/interop/run.sh exchanges files with NumPy itself.
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <descent/core/files.h>
#include <descent/descent.h>

#include <gtest/gtest.h>

namespace descent {
namespace {

using data::load_npy;
using data::load_npz;
using data::save_npy;
using data::save_npz;
using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

/// An .npy file of version 1 with this header and these bytes.
std::string npy(const std::string& header, const std::string& bytes) {
  return to_text(std::string("\x93NUMPY\x01\x00", 8), static_cast<char>(header.size()), '\0',
                 header, bytes);
}

TEST(Npy, ComesBackAsItWas) {
  const TemporaryFolder folder;
  const std::vector<Tensor> all{arange(6.0).reshape({2, 3}),
                                arange(0, 24, 1, kInt64).reshape({2, 3, 4}).transpose(0, 2),
                                tensor({0.1, -2.5}),
                                full({}, 7, kInt64),
                                zeros({0, 3}),
                                tensor({true, false})};
  std::map<std::string, Tensor> named;
  for (const Tensor& t : all) {
    save_npy(folder / "t.npy", t);
    const Tensor again = load_npy(folder / "t.npy");
    EXPECT_EQ(again.dtype(), t.dtype());
    EXPECT_EQ(again.shape(), t.shape());
    EXPECT_EQ(again.to_vector(), t.to_vector());
    named.emplace(to_text("größe ", named.size()), t);
  }
  save_npz(folder / "all.npz", named);
  const auto again = load_npz(folder / "all.npz");
  ASSERT_EQ(again.size(), named.size());
  for (const auto& [name, t] : named) EXPECT_EQ(again.at(name).to_vector(), t.to_vector()) << name;
}

TEST(Npy, ReadsOtherOrdersAndTypes) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& header, const std::string& bytes) {
    write_file(folder / "t.npy", npy(header, bytes));
    return load_npy(folder / "t.npy");
  };
  using Doubles = std::vector<double>;
  const Tensor big = read("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }",
                          std::string("\x01\x02\xff\xfe", 4));
  EXPECT_EQ(big.to_vector(), (Doubles{258, -2}));
  EXPECT_EQ(big.dtype(), kInt64);
  // Columns first: 1 and 2 are the first column.
  const Tensor fortran = read("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }",
                              "\x01\x02\x03\x04\x05\x06");
  EXPECT_EQ(fortran.to_vector(), (Doubles{1, 3, 5, 2, 4, 6}));
  // Half precision: 1.5, the smallest number above 0, and -infinity.
  const Tensor half = read("{\"shape\": (3,), \"fortran_order\": False, \"descr\": \"<f2\"}",
                           std::string("\x00\x3e\x01\x00\x00\xfc", 6));
  EXPECT_EQ(half.to_vector(), (Doubles{1.5, std::ldexp(1, -24), -INFINITY}));
}

TEST(Npy, SaysWhatItCannotRead) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.npy";
  const auto refused = [&](const std::string& file, const char* message) {
    write_file(path, file);
    EXPECT_TRUE(has_text(message_of<FileError>([&] { load_npy(path); }), message));
  };
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
  refused("", "which is no .npy file");
  refused("id,x\n1,2\n", "which is no .npy file");
  refused(npy(good, "123"), "whose size does not fit its shape");
  refused(npy(good, "12345"), "whose size does not fit its shape");
  refused(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "12345678"),
          "elements of type '<c8', expected bool, float16 to float64, or integers up to int64. "
          "Hint: array.astype");
  refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "12345678"), "type '|O'");
  refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"),
          "a type that is no number");
  refused(npy("{'descr': '<f4', 'fortran_order': False}", "1234"), "a header that lacks");
  refused(
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999, 99999999999999), }",
          "1234"),
      "a shape that is too large");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "1234"),
          "a damaged shape");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }",
              "1234"),
          "more dimensions than eight");
  EXPECT_THROW(save_npy(path, Tensor()), ValueError);
}

TEST(Npz, RefusesMoreThanIsAllowed) {
  const TemporaryFolder folder;
  save_npz(folder / "a.npz", {{"x", zeros({1000})}});
  EXPECT_TRUE(has_text(message_of<FileError>([&] { load_npz(folder / "a.npz", 1000); }),
                       "which unpacks to more than 1000 bytes, expected fewer"));
  write_file(folder / "b.npz", "PK but no archive");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { load_npz(folder / "b.npz"); }),
                       "which is no zip archive, or is cut off"));
}

TEST(Npz, SurvivesAnyFile) {
  const TemporaryFolder folder;
  save_npz(folder / "a.npz", {{"x", arange(5.0)}, {"y", zeros({2, 2}, kInt64)}});
  const std::string whole = read_file(folder / "a.npz");
  Generator generator(3);
  SCOPED_TRACE("seed 3");
  int loaded = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string changed = whole;
    if (generator.below(6) == 0) changed.resize(generator.below(whole.size()));
    for (std::uint64_t n = generator.below(3); n-- > 0 && !changed.empty();)
      changed[generator.below(changed.size())] = static_cast<char>(generator.below(256));
    write_file(folder / "b.npz", changed);
    try {
      load_npz(folder / "b.npz");
      ++loaded;
    } catch (const Error& e) {
      EXPECT_LT(std::string(e.what()).size(), 1000u);
    }
  }
  EXPECT_GT(loaded, 0);
}

}  // namespace
}  // namespace descent
