#include "tests/support/allocations.h"
#include "tests/support/errors.h"

#include <descent/descent.h>
#include <zlib.h>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

TEST(Shipped, SetsAreWhole) {
  const data::Dataset digits = data::digits(), iris = data::iris(), wine = data::wine();
  EXPECT_EQ(digits.x.shape(), (Shape{1797, 64}));
  EXPECT_EQ(digits.num_classes(), 10);
  EXPECT_EQ(max(digits.x).item(), 1);
  EXPECT_EQ(iris.x.shape(), (Shape{150, 4}));
  EXPECT_EQ(iris.classes, (std::vector<std::string>{"setosa", "versicolor", "virginica"}));
  EXPECT_NEAR(iris.x[0][0].item(), 5.1, 1e-6);
  EXPECT_EQ(wine.x.shape(), (Shape{178, 13}));
  EXPECT_EQ(wine.features.size(), 13u);
  for (const data::Dataset& d : {digits, iris, wine}) {
    EXPECT_EQ(min(d.y).item(), 0);
    EXPECT_EQ(max(d.y).item() + 1, d.num_classes());
  }
}

TEST(Csv, DetectsHeaderSeparatorAndTask) {
  const data::Dataset a = data::parse_csv("x,y,kind\n1,2,cat\n3,4,dog\n5,6,cat\n");
  EXPECT_EQ(a.features, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(a.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(a.y.to_vector(), (Doubles{0, 1, 0}));
  const data::Dataset b = data::parse_csv(
      "\xEF\xBB\xBF"
      "1;2.5\r\n3;4.25\r\n\r\n");
  EXPECT_FALSE(b.is_classification());
  EXPECT_EQ(b.y.shape(), (Shape{2, 1}));
  EXPECT_EQ(b.y.to_vector(), (Doubles{2.5, 4.25}));
  const data::Dataset c =
      data::parse_csv("1,2,a\n3,4,b\n");  // the only word is the target: no header
  EXPECT_EQ(c.size(), 2);
  const data::Dataset d = data::parse_csv("\"price, total\",\"a \"\"b\"\"\"\n1,7\n2,7\n3,8\n4,8\n",
                                          {.target = "price, total"});
  EXPECT_EQ(d.features, (std::vector<std::string>{"a \"b\""}));
  const data::Dataset e = data::parse_csv("5,1,2\n5,3,4\n9,5,6\n9,1,1\n", {.target = 0});
  EXPECT_EQ(e.classes, (std::vector<std::string>{"5", "9"}));
  EXPECT_EQ(e.x[1].to_vector(), (Doubles{3, 4}));
}

TEST(Csv, SaysWhereItIsWrong) {
  EXPECT_TRUE(
      has_text(message_of<FileError>([] { data::parse_csv("a,b,c\n1,2,3\n4,oops,6\n"); }),
               "csv: got 'oops' in line 3, column 1 counted from 0 (b), expected a finite number"));
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("1,2,3\n4,5\n"); }),
                       "got 2 fields in line 2, expected 3"));
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("a,b\n"); }), "got no rows"));
  EXPECT_TRUE(has_text(message_of<FileError>([] {
                         data::parse_csv(
                             "\xFF\xFE"
                             "a,b");
                       }),
                       "got text in UTF-16, expected UTF-8. Hint: save it anew"));
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("1\n2\n"); }), "got 1 column"));
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("1,2\nnan,3\n"); }),
                       "got 'nan' in line 2"));
  EXPECT_TRUE(has_text(message_of<ValueError>(
                           [] { data::parse_csv("price,size\n1,2\n3,4\n", {.target = "prise"}); }),
                       "did you mean 'price'"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { data::parse_csv("1,2\n3,4\n", {.target = 2}); }),
                       "got target column 2, expected one in [-2, 1]"));
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::csv("/no/such.csv"); }),
                       "could not open '/no/such.csv'"));
}

TEST(Csv, RefusesAQuoteWithoutAnEndAndReadsLinesThatEndInCr) {
  EXPECT_TRUE(
      testing::has_text(testing::message_of<FileError>([] { data::parse_csv("1,\"2,0\n3,4,1\n"); }),
                        "got a quote without an end in line 1"));
  const data::Dataset d = data::parse_csv("1,2,0\r3,4,1\r");
  EXPECT_EQ(d.x.to_vector(), (Doubles{1, 2, 3, 4}));
}

TEST(Csv, ReadsNumbersAlikeInEveryLocaleAndSize) {
  const data::Dataset d =
      data::parse_csv("1.5e-400,1e-5000,0\n-1.5e-400,2.5,1\n", {.target = std::int64_t{-1}});
  EXPECT_EQ(d.x.to_vector(), (Doubles{0, 0, 0, 2.5}));
  for (const char* large : {"1e400", "1e5000", "-1e5000"})
    EXPECT_THROW(data::parse_csv(to_text(large, ",1,0\n2,3,1\n")), FileError) << large;
}

TEST(Csv, SurvivesAnyText) {
  Generator generator(12);
  SCOPED_TRACE("seed 12");
  const std::string letters = "0123456789.,;-+eE\"\n\r\t abc\xff";
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::uint64_t n = generator.below(60); n > 0; --n)
      text += letters[generator.below(letters.size())];
    try {
      data::parse_csv(text);
    } catch (const Error&) {
    }
  }
}

std::string idx_bytes(const std::vector<unsigned>& shape, const std::string& values) {
  std::string s{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const unsigned n : shape)
    for (int shift = 24; shift >= 0; shift -= 8) s += static_cast<char>(n >> shift & 255);
  return s + values;
}

TEST(Idx, ReadsPlainAndGzippedFiles) {
  const auto folder =
      std::filesystem::temp_directory_path() / to_text("descent-idx-", static_cast<long>(getpid()));
  std::filesystem::create_directories(folder);
  const std::string images = (folder / "t10k-images-idx3-ubyte.gz").string(),
                    labels = (folder / "t10k-labels-idx1-ubyte").string();
  const std::string bytes =
      idx_bytes({2, 2, 2}, std::string{'\0', '\x33', '\xff', '\0', '\1', '\2', '\3', '\4'});
  gzFile file = gzopen(images.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  write_file(labels, idx_bytes({2}, std::string{'\1', '\0'}));
  const data::Dataset d = data::idx_folder(folder.string());
  EXPECT_EQ(d.x.shape(), (Shape{2, 4}));
  EXPECT_NEAR(d.x[0][1].item(), 0x33 / 255.0, 1e-7);
  EXPECT_EQ(d.y.to_vector(), (Doubles{1, 0}));
  EXPECT_EQ(d.num_classes(), 2);

  const std::string packed = read_file(images);
  write_file(images, packed.substr(0, packed.size() / 2));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::load_idx(images); }),
                       "got damaged or truncated gzip data"));
  write_file(labels, idx_bytes({3}, "ab"));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::load_idx(labels); }),
                       "got 2 values for shape (3,), expected 3"));
  write_file(labels, "hello");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::load_idx(labels); }), "got no IDX file"));
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::idx_folder(folder.string()); }),
                       "could not read"));
}

TEST(Synthetic, SetsRepeatFromTheirSeed) {
  for (const auto& make : std::vector<std::function<data::Dataset(std::uint64_t)>>{
           [](auto s) { return data::moons(100, 0.1, s); },
           [](auto s) { return data::spirals(100, 3, 0.1, s); },
           [](auto s) { return data::blobs(100, 4, 3, 1, s); },
           [](auto s) { return data::xor_points(100, 0.1, s); },
           [](auto s) { return data::linear_regression(100, 2, 0.1, s); },
           [](auto s) { return data::sine_regression(100, 0.1, s); }}) {
    const data::Dataset a = make(1), b = make(1), c = make(2);
    EXPECT_EQ(a.size(), 100);
    EXPECT_EQ(a.x.to_vector(), b.x.to_vector()) << a.name;
    EXPECT_NE(a.x.to_vector(), c.x.to_vector()) << a.name;
    if (a.is_classification()) {
      EXPECT_EQ(max(a.y).item() + 1, a.num_classes());
    }
  }
  EXPECT_TRUE(has_text(message_of<ValueError>([] { data::moons(1); }), "[moons] got n = 1"));
}

TEST(Split, IsDisjointCompleteAndSeeded) {
  data::Dataset d{"n", arange(0, 50, 1, kFloat32).reshape({50, 1}), zeros({50}, kInt64), {}, {"a"}};
  const auto [train, test] = data::split(d, 0.8, 3);
  EXPECT_EQ(train.size(), 40);
  std::set<double> seen;
  for (const Tensor& part : {train.x, test.x})
    for (const double v : part.to_vector()) seen.insert(v);
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_EQ(data::split(d, 0.8, 3).train.x.to_vector(), train.x.to_vector());
  EXPECT_NE(data::split(d, 0.8, 4).train.x.to_vector(), train.x.to_vector());
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { data::split(d, 1.0); }),
                       "[split] got fraction 1 of 50 samples"));
}

TEST(Standardizer, UsesTrainingStatistics) {
  const Tensor x = tensor({{1.0, 5.0}, {3.0, 5.0}});
  const auto s = data::Standardizer::fit(x);
  EXPECT_EQ(s.apply(x).to_vector(), (Doubles{-1, 0, 1, 0}));
  EXPECT_EQ(s.apply(tensor({{5.0, 6.0}})).to_vector(), (Doubles{3, 1}));
}

TEST(DataLoader, ShufflesAnewEveryEpochAndRepeatsFromItsSeed) {
  const Tensor x = arange(0, 10, 1, kFloat32).reshape({10, 1}), y = arange(10);
  const auto epoch = [](data::DataLoader& l) {
    Doubles order;
    for (auto [bx, by] : l) {
      EXPECT_EQ(bx.reshape({-1}).to_vector(), by.to_vector());
      for (const double v : by.to_vector()) order.push_back(v);
    }
    return order;
  };
  data::DataLoader a(x, y, {.batch_size = 4, .seed = 7}), b(x, y, {.batch_size = 4, .seed = 7});
  const Doubles first = epoch(a), second = epoch(a);
  EXPECT_NE(first, second);
  EXPECT_EQ(first.size(), 10u);
  EXPECT_EQ(std::set<double>(first.begin(), first.end()).size(), 10u);
  b.set_epoch(1);
  EXPECT_EQ(epoch(b), second) << "a resumed run sees the order it would have seen";
  EXPECT_EQ(a.batches(), 3);
  data::DataLoader dropping(x, y, {.batch_size = 4, .shuffle = false, .drop_last = true});
  EXPECT_EQ(epoch(dropping), (Doubles{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(DataLoader, GoesOnInTheMiddleOfAnEpoch) {
  const Tensor x = arange(0, 10, 1, kFloat32).reshape({10, 1}), y = arange(10);
  for (const bool shuffle : {true, false}) {
    const data::LoaderOptions options{.batch_size = 4, .shuffle = shuffle, .seed = 7};
    data::DataLoader whole(x, y, options);
    std::vector<Doubles> batches;
    while (whole.finished_epochs() < 3)
      for (auto [bx, by] : whole) batches.push_back(by.to_vector());
    ASSERT_EQ(batches.size(), 9u);
    for (std::size_t stop = 0; stop <= batches.size(); ++stop) {
      data::DataLoader first(x, y, options), second(x, y, options);
      std::size_t n = 0;
      while (n < stop)
        for (auto [bx, by] : first) {
          EXPECT_EQ(first.finished_epochs(), static_cast<std::int64_t>((n + 1) / 3));
          if (++n == stop) break;
        }
      second.load_state_dict(first.state_dict());
      data::DataLoader third(x, y, options);  // a state can be saved before it is used
      third.load_state_dict(second.state_dict());
      while (third.finished_epochs() < 3)
        for (auto [bx, by] : third) {
          ASSERT_LT(n, batches.size()) << stop;
          EXPECT_EQ(by.to_vector(), batches[n++]) << stop;
        }
      EXPECT_EQ(n, batches.size()) << stop;
    }
  }
  data::DataLoader left(x, y, {.batch_size = 4, .seed = 7});
  for (auto [bx, by] : left) break;  // NOLINT(bugprone-unused-local-non-trivial-variable)
  EXPECT_EQ(left.finished_epochs(), 0);
  (void)left.begin();
  EXPECT_EQ(left.finished_epochs(), 1) << "an epoch that is left is over";

  const auto refused = [&](const data::DataLoader& other, const char* why) {
    EXPECT_TRUE(
        has_text(message_of<StateError>([&] { left.load_state_dict(other.state_dict()); }), why));
    EXPECT_EQ(left.epoch(), 2);
  };
  refused(data::DataLoader(x, y, {.batch_size = 5, .seed = 7}), "got batch_size = 4, expected 5");
  refused(data::DataLoader(x, y, {.batch_size = 4}), "got seed = 7, expected 0");
  refused(data::DataLoader(ones({9}), ones({9}), {.batch_size = 4, .seed = 7}), "got samples = 10");
  auto state = left.state_dict();
  state["used"] = full({}, 4, kInt64);
  EXPECT_TRUE(has_text(message_of<StateError>([&] { left.load_state_dict(state); }),
                       "at most 3 batches used"));
  state.erase("used");
  EXPECT_TRUE(has_text(message_of<StateError>([&] { left.load_state_dict(state); }),
                       "without the number 'used'"));
}

TEST(DataLoader, RefusesWhatMakesNoBatches) {
  const Tensor x = zeros({3, 2}), y = zeros({3});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { data::DataLoader(x, y, {.batch_size = 0}); }),
                       "[DataLoader] got batch_size = 0"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { data::DataLoader(x, zeros({2})); }),
                       "got x (3, 2) and y (2,)"));
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { data::DataLoader(x, y, {.batch_size = 4, .drop_last = true}); }),
      "expected at least one batch"));
}

TEST(DataLoader, ChangesBatchesByATransform) {
  const auto noisy = [](data::Batch b) { return data::Batch{b.x * 3 + rand(b.x.shape()), b.y}; };
  data::DataLoader loader(ones({6, 1}), arange(6), {.batch_size = 4, .transform = noisy});
  const Generator::State before = default_generator().state();
  for (auto [x, y] : loader) EXPECT_GT(x.min().item(), 2.9);
  EXPECT_EQ(default_generator().state(), before)
      << "the transform draws from a generator of its own";

  const auto longer = [](data::Batch b) { return data::Batch{cat({b.x, b.x}), b.y}; };
  data::DataLoader uneven(ones({6, 1}), arange(6), {.batch_size = 4, .transform = longer});
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { *uneven.begin(); }),
                       "got x (8, 1) and y (4,) from the transform, expected as many rows"));
}

TEST(DataLoader, PreparesTheSameBatchesAhead) {
  const Tensor x = arange(0, 10, 1, kFloat32).reshape({10, 1}), y = arange(10);
  std::atomic<int> running{0};
  std::atomic<bool> overlapped{false};
  const auto noisy = [&](data::Batch b) {
    if (++running > 1) overlapped = true;
    b.x = b.x + randn(b.x.shape());
    --running;
    return b;
  };
  const data::LoaderOptions plain{.batch_size = 3, .seed = 5, .transform = noisy};
  data::LoaderOptions ahead = plain;
  ahead.prefetch = true;
  const auto batches = [](data::DataLoader& l, int epochs) {
    std::vector<Doubles> all;
    while (l.finished_epochs() < epochs)
      for (auto [bx, by] : l) all.push_back(cat({bx.flatten(), by.to(kFloat32)}).to_vector());
    return all;
  };
  data::DataLoader a(x, y, plain), b(x, y, ahead);
  const std::vector<Doubles> expected = batches(a, 3);
  EXPECT_EQ(batches(b, 3), expected);
  EXPECT_NE(expected[0], expected[4]);
  EXPECT_FALSE(overlapped) << "one loader transforms one batch at a time";

  // A loop that ends early, a second look at a batch, a copy, and a state in the middle.
  data::DataLoader c(x, y, ahead);
  auto at = c.begin();
  EXPECT_EQ((*at).x.to_vector(), (*at).x.to_vector());
  data::DataLoader copy = c, resumed(x, y, ahead);
  resumed.load_state_dict(c.state_dict());
  const std::vector<Doubles> rest = batches(resumed, 3);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + 1, expected.end()));
  copy.set_epoch(0);
  EXPECT_EQ(batches(copy, 3), expected);
}

TEST(DataLoader, ThrowsWhatTheTransformThrowsAtItsBatch) {
  const auto refuses = [](data::Batch b) -> data::Batch {
    if (b.y[0].item() == 2) throw ValueError("the third");
    return b;
  };
  for (const bool prefetch : {false, true}) {
    data::DataLoader loader(
        ones({4, 1}), arange(4),
        {.batch_size = 1, .shuffle = false, .transform = refuses, .prefetch = prefetch});
    int used = 0;
    EXPECT_EQ(message_of<ValueError>([&] {
                for ([[maybe_unused]] const auto& batch : loader) ++used;
              }),
              "the third");
    EXPECT_EQ(used, 2);
  }
}

TEST(Csv, ReadsHardCases) {
  EXPECT_EQ(data::parse_csv("0,1,2,label\n1,2,3,0\n1,2,3,1\n").size(), 2)
      << "a header whose other names are numbers";
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("1e39,1\n2,2\n"); }),
                       "got '1e39' in line 1"));
  EXPECT_EQ(data::parse_csv("1e-400,1\n2,2\n").x[0][0].item(), 0);
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::parse_csv("2,2\n\"1\"x,1\n"); }),
                       "got '1x' in line 2"));
  const data::Dataset d =
      data::parse_csv("id,word,a,y\n1,foo,3,0.5\n2,bar,4,1.5\n", {.drop = {"id", "word"}});
  EXPECT_EQ(d.features, (std::vector<std::string>{"a"}));
  EXPECT_EQ(d.x.to_vector(), (Doubles{3, 4}));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([] { data::parse_csv("a,y\n1,2\n", {.drop = {"b"}}); }),
               "got the column to drop 'b', expected a name of the header or a number in [0, 1]"));
}

TEST(Split, PartsEveryClassAlike) {
  for (const std::uint64_t seed : {0, 1, 2}) {
    const auto [some, others] = data::split(data::iris(), 0.8, seed);
    for (const std::int64_t y : {0, 1, 2}) {
      EXPECT_EQ((some.y == y).to(kInt64).sum().item(), 40);
      EXPECT_EQ((others.y == y).to(kInt64).sum().item(), 10);
    }
  }
  std::vector<std::int64_t> labels(1000, 0);
  for (std::size_t i = 0; i < 22; ++i) labels[i * 40] = 1;
  labels[7] = 2;  // alone
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    const auto [train, test] = data::split_rows(tensor(labels), 0.8, seed);
    const Tensor in_test = tensor(labels).index_select(0, test);
    EXPECT_EQ((in_test == 1).to(kInt64).sum().item(), 4);
    EXPECT_EQ((in_test == 2).to(kInt64).sum().item(), 0);
    EXPECT_EQ(train.numel() + test.numel(), 1000);
    std::vector<double> all = cat({train, test}).to_vector();
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, arange(1000).to_vector());
  }
  EXPECT_THROW(data::split_rows(tensor(labels).to(kFloat32), 0.8), ShapeError);
  EXPECT_TRUE(has_text(message_of<ValueError>([] { data::split_rows(arange(5), 0.8); }),
                       "a class of their own"));
}

TEST(DataLoader, RefusesPlacesThatAreNone) {
  data::DataLoader loader(ones({5, 2}), arange(5), {.batch_size = 2});
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { *loader.end(); }), "got an iterator at batch 3 of 3"));
  loader.load_state_dict(loader.state_dict());  // nothing was counted
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t epoch : {std::int64_t{-1}, kMost}) {
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { loader.set_epoch(epoch); }), "0 to 2^53"));
    auto state = loader.state_dict();
    state["epoch"] = full({}, epoch, kInt64);
    EXPECT_THROW(loader.load_state_dict(state), StateError);
  }
  EXPECT_EQ(loader.epoch(), 0);
}

TEST(DataLoader, GivesBatchesOfTheirOwn) {
  const Tensor x = ones({4, 1}), y = zeros({4});
  data::DataLoader loader(x, y, {.batch_size = 2, .shuffle = false});
  for (auto [bx, by] : loader) bx.mul_(0.5);
  EXPECT_EQ(sum(x).item(), 4);
  EXPECT_EQ(data::DataLoader(x, y, {.batch_size = INT64_MAX}).batches(), 1);
}

TEST(Csv, DoesNotGuessAtATargetThatIsBothWordsAndNumbers) {
  const char* text = "a,y\n1,2.5\n2,NA\n3,4\n";
  for (const auto task : {data::Task::automatic, data::Task::classification})
    EXPECT_TRUE(has_text(message_of<FileError>([&] { data::parse_csv(text, {.task = task}); }),
                         "got the target 'NA' in line 3, expected a class or a number"));
  const char* mixed = "a,y\n1,2.5\n2,x\n3,4\n";
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::parse_csv(mixed); }),
                       "got 'x' in line 3, column 1 counted from 0 (y), expected a finite number"));
  EXPECT_EQ(data::parse_csv(mixed, {.task = data::Task::classification}).num_classes(), 3);
}

// ---- limits ----

std::string repeated(const std::string& line, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += line;
  return text;
}

TEST(Csv, TakesMemoryForItsResultAndLittleMore) {
  constexpr std::size_t kSize = std::size_t{3} << 20;
  std::string words, numbers = "1,2\n", wide = "1";
  for (int i = 0; words.size() < kSize; ++i) words += to_text("1,w", i % 100000, "\n");
  for (int i = 0; numbers.size() < kSize; ++i) numbers += to_text("1,", i, ".5\n");
  for (int i = 0; i < 1000; ++i) wide += ",1";
  const std::string many = repeated(",", kSize), word(kSize, 'w');
  for (const auto& [what, text] : std::map<std::string, std::string>{
           {"digits", repeated("1,2,0\n2,3,1\n", kSize)},
           {"words", words},
           {"numbers", numbers},
           {"wide", repeated(wide + "\n", kSize)},
           {"quotes", repeated("\"1\",\"a\"\n", kSize)},
           {"blank lines", "1,2\n" + repeated("\n", kSize) + "3,4\n"},
           {"columns", to_text(many, "\n", many)},
           {"names", "a" + repeated(",b", std::size_t{2} << 20) + "\n1,2\n"},
           {"one long field", to_text("1,", word, "\n2,b\n")},
           {"a long wrong field", to_text("1,2\n", word, ",2\n")},
           {"short rows", to_text(many.substr(0, 100000), "\n", repeated("1\n", kSize))}}) {
    const testing::PeakMemory peak;
    std::int64_t result = 0;
    try {
      const data::Dataset d = data::parse_csv(text);
      result = d.x.numel() * 4 + d.y.numel() * 8;
      for (const std::string& c : d.classes)
        result += static_cast<std::int64_t>(sizeof(std::string) + c.capacity());
    } catch (const FileError& e) {
      EXPECT_LT(std::string(e.what()).size(), 1000u) << what;
    }
    // A tensor takes up to a quarter more than its elements. If a row is too short, the error comes
    // when there is room for all numbers that the text could hold.
    const auto size = static_cast<std::int64_t>(text.size());
    const bool names = what == "words" || what == "names" || what == "short rows";
    const std::int64_t most = what == "short rows" ? 6 * size : result * 5 / 4 + 2 * size;
    EXPECT_LT(peak.bytes(), most + (names ? std::int64_t{64} << 20 : std::int64_t{2} << 20))
        << what;
  }
}

TEST(Csv, RefusesTooManyColumnsAndClasses) {
  const std::string many = repeated("1,", std::size_t{1} << 18) + "1\n";
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::parse_csv(many + many); }),
                       "got 131073 columns, expected at most 131072"));
  std::string words;
  for (int i = 0; i <= 1 << 18; ++i) words += to_text("1,w", i, "\n");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { data::parse_csv(words); }),
                       "got a target of more than 262144 different words, expected fewer classes"));
}

TEST(Csv, LabelsClassesInTheirOrderNotThatOfTheRows) {
  const data::Dataset d = data::parse_csv("1,b\n2,c\n3,a\n4,b\n");
  EXPECT_EQ(d.classes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(d.y.to_vector(), (Doubles{1, 2, 0, 1}));
  const data::Dataset n = data::parse_csv("1,10\n2,9\n3,-1\n4,10\n5,9\n6,-1\n");
  EXPECT_EQ(n.classes, (std::vector<std::string>{"-1", "9", "10"}));
  EXPECT_EQ(n.y.to_vector(), (Doubles{2, 1, 0, 2, 1, 0}));
}

TEST(FoldRows, HoldEverySampleOnceAndEveryClassAlike) {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 103; ++i) labels.push_back(i < 10 ? 1 : 0);
  const auto folds = data::fold_rows(tensor(labels), 5, 3);
  std::vector<int> seen(103);
  for (const Tensor& fold : folds) {
    int rare = 0;
    for (const std::int64_t r : fold.to_vector<std::int64_t>()) {
      ++seen[static_cast<std::size_t>(r)];
      rare += r < 10;
    }
    EXPECT_EQ(rare, 2);
    EXPECT_NEAR(static_cast<double>(fold.numel()), 20.6, 1);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 103);
  EXPECT_TRUE(has_text(message_of<ValueError>([] { data::fold_rows(3, 4); }),
                       "got 4 folds of 3 samples, expected 2 to 3"));
}

TEST(Standardizer, ScalesUnitsOfAnySizeAndLeavesConstantsAlone) {
  const Tensor x = tensor({{1e-14F, 123456789.123F}, {3e-14F, 123456789.123F}});
  const auto s = data::Standardizer::fit(x);
  EXPECT_TRUE(allclose(s.apply(x), tensor({{-1.F, 0.F}, {1.F, 0.F}}), 1e-5, 1e-6)) << s.apply(x);
}

TEST(Table, GivesAColumnAway) {
  data::Table t = data::parse_table("a,w,b\n1,x,2\n3,y,4\n");
  EXPECT_EQ(t.take("b").to_vector(), (std::vector<double>{2, 4}));
  EXPECT_EQ(t.columns.size(), 2U);
  EXPECT_EQ(t.values.to_vector(), (std::vector<double>{1, 0, 3, 1}));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { t.take("w", "the weights"); }),
                       "got words in the weights 'w', expected numbers"));
}

}  // namespace
}  // namespace descent
