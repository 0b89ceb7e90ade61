// read_table(): how a text is cut, what each column holds, and what is refused.
#include "tests/support/errors.h"
#include "tests/support/threads.h"

#include <descent/descent.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

namespace descent {
namespace {

using data::ColumnUse;
using data::parse_table;
using data::Table;
using testing::has_text;
using testing::message_of;

std::vector<std::string> names(const Table& t) {
  std::vector<std::string> all;
  for (const data::Column& c : t.columns) all.push_back(c.name);
  return all;
}
using Names = std::vector<std::string>;

/// The values, with −1 for a gap.
std::vector<double> values(const Table& t) {
  std::vector<double> all = t.values.to_vector();
  for (double& x : all)
    if (std::isnan(x)) x = -1;
  return all;
}
using Doubles = std::vector<double>;

TEST(Table, FindsOutWhetherTheFirstRowHoldsNames) {
  struct Case {
    const char* text;
    bool header;
  };
  for (const auto& [text, header] :
       std::initializer_list<Case>{{"0,1,2,3,species\n5.1,3,1,2,a\n4,3,2,1,b\n3,3,1,2,a\n", true},
                                   {"2019,2020,2021\n5,6,7.5\n1,2,3.5\n", true},
                                   {"1,2,3\n2,3,4\n7,1,2\n", false},
                                   {"49,54\n50,60\n", false},
                                   {"?,2.5,0\n1,2,1\n", false},
                                   {",2.5,0\n1,2,1\n", false},
                                   {"1,2,a\n3,4,b\n", false},
                                   {"1,2,a\n3,4,b\n5,6,a\n", false},
                                   {"name,kind\nbob,x\nann,y\n", true},
                                   {"bob,x\nann,x\nbob,y\n", false},
                                   {"x,y\n1,2\n", true},
                                   {"price,note\n1,cheap\n2,dear\n", true}}) {
    const Table t = parse_table(text);
    EXPECT_EQ(t.has_header, header) << text;
  }
  EXPECT_FALSE(parse_table("a,b\nc,d\n", {.header = false}).has_header);
  EXPECT_TRUE(parse_table("1,2\n3,4\n", {.header = true}).has_header);
}

TEST(Table, FindsTheSeparator) {
  const Table quoted = parse_table("\"Temp, C\";load\n1;2\n3;4\n");
  EXPECT_EQ(names(quoted), (Names{"Temp, C", "load"}));
  const Table tabs = parse_table("a\tb\tc\n\t1\t2\n3\t4\t\n");
  EXPECT_EQ(values(tabs), (Doubles{-1, 1, 2, 3, 4, -1}));
  EXPECT_EQ(values(parse_table("1|2\n3|4\n")), (Doubles{1, 2, 3, 4}));
  const Table blanks = parse_table("# measured\n# in May\n  1 2\t3\n4   5 6  \n");
  EXPECT_EQ(values(blanks), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(names(parse_table("#x,y\n1,2\n")), (Names{"x", "y"}));
  EXPECT_EQ(parse_table("a;b,c\n1;2,3\n", {.separator = ','}).columns.size(), 2u);
  EXPECT_EQ(parse_table("# note\ntag,x\n#a,1\nb,2\n#a,3\n").rows(), 3);  // only lines at the top
}

TEST(Table, ReadsQuotedFieldsAndEveryEndOfLine) {
  const Table t = parse_table("a,b\r\n\"x\ny\",1\r\n\"z \"\"q\"\"\",2\r\n\r\nw,3");
  EXPECT_EQ(t.columns[0].words, (Names{"w", "x\ny", "z \"q\""}));
  EXPECT_EQ(values(t), (Doubles{1, 1, 2, 2, 0, 3}));
  EXPECT_EQ(values(parse_table("1,2\r3,4\r")), (Doubles{1, 2, 3, 4}));
  EXPECT_EQ(values(parse_table("\xEF\xBB\xBF"
                               "1,2\n")),
            (Doubles{1, 2}));
}

TEST(Table, TellsNumbersWordsAndGaps) {
  const Table t = parse_table("n,w,b\n1,red,yes\nNA,blue,no\n3e1,,yes\n-.5,red,N/A\n");
  EXPECT_EQ(t.columns[0].use, ColumnUse::number);
  EXPECT_EQ(t.columns[0].gaps, 1);
  EXPECT_EQ(t.columns[1].words, (Names{"blue", "red"}));
  EXPECT_EQ(t.columns[1].gaps, 1);
  EXPECT_EQ(t.columns[2].note, "1 for yes");
  EXPECT_EQ(values(t), (Doubles{1, 1, 1, -1, 0, 0, 30, -1, 1, -.5, 1, -1}));
  const std::string text = t.summary();
  EXPECT_TRUE(has_text(text, "n       numbers, 1 gap\n")) << text;
  EXPECT_TRUE(has_text(text, "w       blue, red, 1 gap\n")) << text;
  EXPECT_TRUE(has_text(text, "b       no, yes, 1 gap (1 for yes)\n")) << text;
  const Table comma = parse_table("d;v\n1,5;2,25\n-3,0;4,1\n");
  EXPECT_EQ(comma.decimal, ',');
  EXPECT_NEAR(values(comma)[1], 2.25, 1e-7);
}

TEST(Table, ReadsColumnsAsTheOptionsSay) {
  const Table t = parse_table("id,zip,x\n1,10115,2\n2,20095,3\n3,10115,4\n",
                              {.columns = {{"id", ColumnUse::drop}, {"zip", ColumnUse::category}}});
  EXPECT_EQ(names(t), (Names{"zip", "x"}));
  EXPECT_EQ(t.columns[0].words, (Names{"10115", "20095"}));
  EXPECT_EQ(values(t), (Doubles{0, 2, 1, 3, 0, 4}));
  EXPECT_EQ(t.dropped, (Names{"id"}));
  // A name counts before a number; both count in the file, not among the columns that are left.
  const Table numbered = parse_table("1,0,2\n7.5,8,9\n1,2,3\n", {.header = true});
  EXPECT_EQ(numbered.find("0"), 1u);
  EXPECT_EQ(t.find("2"), 1u);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { t.find("zipp"); }), "did you mean 'zip'"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         parse_table("a,b\n1,2\n", {.columns = {{"c", ColumnUse::drop}}});
                       }),
                       "got the column 'c', expected a name of the header or a number in [0, 1]"));
  EXPECT_TRUE(has_text(message_of<FileError>([&] {
                         parse_table("a,b\nx,2\ny,3\n", {.columns = {{"a", ColumnUse::number}}});
                       }),
                       "got 'x' in line 2, column 0 counted from 0 (a), expected a finite number"));
}

TEST(Table, KeepsNumbersApartThatFloatsCannotTell) {
  const Table t = parse_table(
      "t,day,id,constant\n1700000000000000001,20240101,1,123456789.123\n"
      "1700000000000000101,20240102,2,123456789.123\n1700000000000000901,20240103,3,123456789."
      "123\n");
  const Doubles v = values(t);
  EXPECT_EQ(v[4] - v[0], 100);
  EXPECT_EQ(v[8] - v[4], 800);
  EXPECT_EQ(v[5] - v[1], 1);
  EXPECT_EQ(t.columns[2].shift, 0);
  EXPECT_TRUE(has_text(t.columns[0].note, "floats cannot tell such numbers apart"));
  std::string far = "x\n0\n";
  for (int i = 0; i < 40; ++i) far += to_text(1000000000000000.0 * (i % 2) + i * 3, "\n");
  EXPECT_TRUE(
      has_text(parse_table(far).columns[0].note, "of 40 different numbers looked at, 21 remain"));
}

TEST(Table, RefusesWhatCouldBeMeantInTwoWays) {
  struct Case {
    const char *text, *message;
  };
  for (const auto& [text, message] : std::initializer_list<Case>{
           {"d,v\n2024-01-02,1\n2024-01-03,2\n",
            "got a date, '2024-01-02', in column 0 counted from 0 (d)"},
           {"d,v\n1/2/24,1\n3/4/24,2\n", "got a date, '1/2/24'"},
           {"d,v\n2024-01-02T10:00:00Z,1\n2024-01-03T11:00:00Z,2\n", "got a date"},
           {"d,v\n10:30,1\n11:45,2\n", "got a date"},
           {"p,v\n12%,1\n13 %,2\n", "got a percentage, '12%'"},
           {"p,v\n$12,1\n$13.50,2\n", "got a sum of money"},
           {"p,v\n12 kg,1\n13 kg,2\n", "got a number with a unit"},
           {"p,v\n\"1,234,567\",1\n\"2,345,678\",2\n", "got a number with thousands separators"},
           {"p;v\n1,234;1\n2,345;2\n", "got numbers as 1,234, expected no comma or a decimal"},
           {"a;b;c\n1.101;6,5;2\n1.202;7,5;3\n", "got a number with a decimal comma, '6,5'"},
           {"a,b\n1,2\n3,x\n4,5\n",
            "got 'x' in line 3, column 1 counted from 0 (b), expected a finite number as in 2 "
            "other"},
           {"a,a,b\n1,2,3\n", "got names that stand there twice: a (column 1)"},
           {",a,\n1,2,3\n", "got columns without a name: 0, 2"},
           {"a,b\n1,2\n\n3\n", "got 1 fields in line 4, expected 2"},
           {"a,b\n1,2\n3,4,5,6\n", "got 4 fields in line 3, expected 2"},
           {"a,b\n1,\"2\n3,4\n", "got a quote without an end in line 2"},
           {"a,b\n1,1e39\n", "got '1e39' in line 2, column 1 counted from 0 (b)"},
           {"a,b\n1,inf\n", "got 'inf' in line 2"},
           {"", "got no rows"},
           {"\n \n", "got no rows"},
           {"caf\xE9,b\n1,2\n", "got a byte that is not UTF-8 in the names"},
           {"a,b\n1,2\ncaf\xE9,2\n", "got a byte that is not UTF-8 in line 3"},
           {"PK\x03\x04...", "got a zip file or an Excel sheet"},
           {"\x28\xB5\x2F\xFD...", "got a zstd file"},
           {"PAR1....", "got a Parquet file"},
           {"<!DOCTYPE html>\n<html>", "got a web page"},
           {"[{\"a\": 1}]", "got JSON"}})
    EXPECT_TRUE(has_text(message_of<FileError>([&, t = text] { parse_table(t); }), message))
        << text;
  // What the options decide is read.
  EXPECT_EQ(
      parse_table("d,v\n2024-01-02,1\n2024-01-03,2\n", {.columns = {{"d", ColumnUse::category}}})
          .columns[0]
          .words.size(),
      2u);
  EXPECT_NEAR(values(parse_table("p;v\n1,234;1\n2,345;2\n", {.decimal = ','}))[0], 1.234, 1e-6);
  EXPECT_EQ(parse_table("4wd,1\n2wd,2\n4wd,3\n").columns[0].words.size(), 2u);
}

TEST(Table, KnowsTheFilesOfScikitLearn) {
  const data::Dataset d = data::parse_csv("4,2,cat,dog\n1,2,0\n3,4,1\n1,2,0\n3,4,1\n");
  EXPECT_EQ(d.classes, (Names{"cat", "dog"}));
  EXPECT_EQ(d.size(), 4);
  // Numbers that are no places of the names are classes of their own.
  EXPECT_EQ(data::parse_csv("4,2,cat,dog\n1,2,0\n3,4,2\n1,2,0\n3,4,2\n").classes,
            (Names{"0", "2"}));
  for (const auto task : {data::Task::automatic, data::Task::classification}) {
    const Table u = parse_table("4,2,cat,dog\n1,2,0\n3,4,1\n1,2,0\n3,4,1\n");
    const auto s = data::Schema::fit(u, {.task = task});
    EXPECT_EQ(s.target.classes, (Names{"cat", "dog"}));
    EXPECT_EQ(s.targets(u).to_vector(), (Doubles{0, 1, 0, 1}));
  }
  const Table t = parse_table("4,2,cat,dog\n1,2,0\n3,4,2\n1,2,0\n3,4,2\n");
  EXPECT_EQ(data::Schema::fit(t, {}).targets(t).to_vector(), (Doubles{0, 1, 0, 1}));
}

TEST(Table, ReadsQuotedDecimalCommasBetweenCommas) {
  const Table t = parse_table("a,b\n1,\"2,5\"\n3,\"4,25\"\n");
  EXPECT_EQ(values(t), (Doubles{1, 2.5, 3, 4.25}));
}

/// A table of several pieces, with its values.
struct Large {
  std::string text;
  Doubles values;
};
Large large_table(bool quotes) {
  Generator generator(5);
  const Names words{"red", "green, light", "blue"};  // sorted: blue, green, red
  const Doubles places{2, 1, 0};
  Large t{"n,w,late,e\n", {}};
  for (int i = 0; t.text.size() < std::size_t{5} << 20; ++i) {
    const double n = std::round(generator.uniform() * 2e6 - 1e6) / 1000;
    const std::size_t w = generator.below(3);
    const bool gap = generator.below(10) == 0;
    // The column of words that begins far behind every sample; all its fields are words there.
    t.text += to_text(gap ? std::string("NA") : to_text(n), ",", quotes ? "\"" : "",
                      quotes || w != 1 ? words[w] : "green", quotes ? "\"" : "", ",",
                      i < 3000     ? ""
                      : i % 2 == 0 ? "p"
                                   : "q",
                      ",", i, "e-2\n");
    if (i % 1000 == 7) t.text += "\n";
    for (const double x : {gap ? -1 : n, places[w], i < 3000 ? -1.0 : i % 2, i * 0.01})
      t.values.push_back(x);
  }
  return t;
}

TEST(Table, OfManyPiecesIsTheSameForAnyNumberOfThreads) {
  for (const bool quotes : {false, true}) {
    const Large large = large_table(quotes);
    for (const int threads : {1, 3}) {
      const testing::WithThreads count(threads);
      const Table t = parse_table(large.text);
      ASSERT_EQ(t.values.numel(), static_cast<std::int64_t>(large.values.size()));
      const Doubles got = values(t);
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(got[i], static_cast<float>(large.values[i])) << i << " with quotes " << quotes;
      EXPECT_EQ(t.columns[2].use, ColumnUse::category);
    }
  }
  std::string wrong = large_table(false).text;
  const auto lines = std::count(wrong.begin(), wrong.end(), '\n');
  wrong += "1,2\n3\n";
  EXPECT_TRUE(has_text(message_of<FileError>([&] { parse_table(wrong); }),
                       to_text("got 2 fields in line ", lines + 1, ", expected 4")));
}

TEST(Table, ReadsFilesPipesAndGzipAlike) {
  const std::string folder = (std::filesystem::temp_directory_path() /
                              to_text("descent-table-", static_cast<long>(getpid())))
                                 .string();
  std::filesystem::create_directories(folder);
  const std::string text = "a,b\n1,2\n3,4\n", plain = folder + "/t.csv", pipe = folder + "/p",
                    packed = folder + "/t.csv.gz";
  std::ofstream(plain) << text;
  gzFile gz = gzopen(packed.c_str(), "wb");
  gzwrite(gz, text.data(), static_cast<unsigned>(text.size()));
  gzclose(gz);
  std::ofstream(packed, std::ios::app) << std::string(512, '\0');  // as tapes fill up blocks
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  for (const std::string& path : {plain, packed, pipe})
    EXPECT_EQ(values(data::read_table(path)), (Doubles{1, 2, 3, 4})) << path;
  writer.join();
  EXPECT_TRUE(has_text(message_of<FileError>([] { data::read_table("/dev/zero"); }),
                       "got a device, '/dev/zero', expected a file"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace descent
