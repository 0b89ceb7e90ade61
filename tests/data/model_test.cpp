// Schema and TableModel: from the columns of a table to predictions on new rows.
#include "tests/support/allocations.h"
#include "tests/support/errors.h"

#include <descent/core/archive.h>
#include <descent/core/files.h>
#include <descent/descent.h>

#include <gtest/gtest.h>
#include <unistd.h>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>

namespace descent {
namespace {

using data::ColumnUse;
using data::parse_table;
using data::Schema;
using data::Table;
using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;
using Words = std::vector<std::string>;

/// A folder that is removed in the end.
struct Folder {
  std::string path = (std::filesystem::temp_directory_path() /
                      to_text("descent-model-", static_cast<long>(getpid())))
                         .string();
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return path + "/" + name; }
};

TEST(Schema, MakesInputsOfNumbersWordsAndGaps) {
  const Table t = parse_table(
      "n,w,b,same,y\n1,red,yes,7,1.5\n3,blue,no,7,2.5\n,green,no,7,3.5\n5,red,,7,5.5\n");
  const Schema s = Schema::fit(t, {});
  // n: 1, 3, 5 with median 3, mean 3 and deviation √(8/3); then its gap. w: three words. b: one
  // input for "yes", a gap counts as the most frequent word; then its gap.
  EXPECT_EQ(s.num_inputs(), 2 + 3 + 2);
  EXPECT_EQ(s.left_out, (Words{"same: constant"}));
  const double d = 2 / std::sqrt(8.0 / 3);
  const Tensor expected = tensor(Doubles{-d, 0, 0, 0, 1, 1, 0,  //
                                         0,  0, 1, 0, 0, 0, 0,  //
                                         0,  1, 0, 1, 0, 0, 0,  //
                                         d,  0, 0, 0, 1, 0, 1},
                                 {4, 7});
  EXPECT_TRUE(allclose(s.inputs(t).to(kFloat64), expected, 1e-6, 1e-7)) << s.inputs(t);
  EXPECT_NEAR(s.target.mean, 3.25, 1e-12);
  EXPECT_NEAR(s.targets(t)[0][0].item(), (1.5 - 3.25) / s.target.deviation, 1e-6);
  EXPECT_EQ(s.dataset(t).features,
            (Words{"n", "n gap", "w blue", "w green", "w red", "b", "b gap"}));
}

TEST(Schema, MeasuresTheTrainingRowsAlone) {
  const Table t = parse_table("x,w,y\n1,a,0\n2,b,1\n3,a,0\n1000,c,1\n");
  const Schema s = Schema::fit(t, {}, tensor(std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_NEAR(s.features[0].mean, 2, 1e-12);
  EXPECT_EQ(s.features[1].words, (Words{"a", "b"}));
  EXPECT_EQ(s.target.classes, (Words{"0", "1"}));
  std::int64_t unseen = 0;
  const Tensor x = s.inputs(t, &unseen);
  EXPECT_EQ(unseen, 1);
  EXPECT_EQ(x[3][1].item(), 0.5F);  // neither a nor b: between them
}

TEST(Schema, ReadsTheFileOfClassNamesThatItLearnedFrom) {
  const Folder folder;
  write_file(folder / "named.csv", "4,2,bad,good\n1.5,2,0\n2.5,1,1\n3,7,0\n4,5,1\n");
  const Schema s = Schema::fit(data::read_table(folder / "named.csv"), {});
  EXPECT_EQ(s.target.classes, (Words{"bad", "good"}));
  const Table again = s.read(folder / "named.csv");
  EXPECT_EQ(s.inputs(again).size(0), 4);
  EXPECT_EQ(s.targets(again).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 0, 1}));
}

TEST(Schema, FindsColumnsByName) {
  const Schema s = Schema::fit(parse_table("a,b,y\n1,5,0.5\n2,7,1.5\n4,6,2.5\n"), {});
  const Tensor x = s.inputs(parse_table("extra,b,a\nq,5,1\nr,7,2\n"));
  EXPECT_TRUE(allclose(x, s.inputs(parse_table("a,b\n1,5\n2,7\n"))));
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { s.inputs(parse_table("a,c,y\n1,5,2\n2,3,4\n")); }),
               "lacks the column 'b', expected each that the model was trained with"));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { s.inputs(parse_table("a,b\n1,x\n2,y\n")); }),
                       "got words in the column 'b', expected numbers as in training"));
}

/// Twenty words, the last three of which stand in one row alone, and a number.
Table many_words() {
  std::string text = "w,x,y\n";
  for (int i = 0; i < 71; ++i)
    text += to_text("w", i < 68 ? i % 17 : i, ",", i % 5, ",", i, ".5\n");
  return parse_table(text);
}

TEST(Schema, GivesManyWordsAnEmbedding) {
  const Table t = many_words();
  const Schema s = Schema::fit(t, {});
  EXPECT_EQ(s.features[0].embedding, 8);
  EXPECT_EQ(s.features[0].words.size(), 17U);  // those of one row are unknown
  EXPECT_EQ(s.num_inputs(), 2);
  const Tensor x = s.inputs(t);
  EXPECT_EQ(x[0][0].item(), 1);   // w0 is the first word
  EXPECT_EQ(x[70][0].item(), 0);  // w70 is unknown
  EXPECT_EQ(Schema::from_json(s.to_json()).inputs(t).to_vector(), x.to_vector());
  EXPECT_EQ(embedded_columns(s), (std::vector<nn::EmbeddedColumn>{{0, 18, 8}}));
  // Words that stand in one row each but for one say nothing.
  std::string text = "w,x,y\n";
  for (int i = 0; i < 40; ++i) text += to_text("w", i < 2 ? 0 : i, ",", i % 5, ",", i, ".5\n");
  EXPECT_EQ(Schema::fit(parse_table(text), {}).left_out,
            (Words{"w: words that differ in almost every row"}));
}

TEST(Schema, StandardisesWhatFloatsCannotTellApart) {
  const Table t = parse_table(
      "t,small,y\n1700000000000000000,1e-20,1.5\n1700000000000001000,3e-20,2.5\n"
      "1700000000000002000,2e-20,3.5\n");
  const Tensor x = Schema::fit(t, {}).inputs(t);
  const double d = std::sqrt(1.5);
  EXPECT_TRUE(allclose(x.to(kFloat64), tensor(Doubles{-d, -d, 0, d, d, 0}, {3, 2}), 1e-5, 1e-5))
      << x;
}

TEST(Schema, KeepsEighteenDigits) {
  std::string text = "id,y\n";
  for (int i = 0; i < 40; ++i)
    text += to_text("12345678901234", 5600 + i, ",", "1700000000000", 10 + i, "\n");
  const Table t = parse_table(text);
  const Schema s = Schema::fit(t, {.task = data::Task::regression});
  const auto x = s.inputs(t).to_vector(), y = s.targets(t).to_vector();
  EXPECT_EQ(std::set<double>(x.begin(), x.end()).size(), 40u);
  EXPECT_EQ(std::set<double>(y.begin(), y.end()).size(), 40u);
  EXPECT_EQ(y[3] * s.target.deviation + s.target.mean + s.target.shift, 170000000000013.0);
  // Classes of such numbers keep all digits.
  const Table ids = parse_table(
      "x,y\n1,123456789012345601\n2,123456789012345602\n3,123456789012345601\n4,"
      "123456789012345602\n");
  EXPECT_EQ(Schema::fit(ids, {}).target.classes,
            (Words{"123456789012345601", "123456789012345602"}));
}

TEST(Schema, TakesNumbersForClassesAsCsvDoes) {
  struct Case {
    const char* text;
    Words classes;
  };
  for (const auto& [text, classes] : std::initializer_list<Case>{
           {"x,y\n1,3\n2,5\n3,3\n4,5\n", {"3", "5"}},
           {"x,y\n1,3\n2,5\n3,4\n4,6\n", {}},      // no number repeats
           {"x,y\n1,3.5\n2,5\n3,3.5\n4,5\n", {}},  // not whole
           {"x,y\n1,1000000.5\n2,1000001.5\n3,1000000.5\n4,1000001.5\n", {}},
           {"x,y\n1,-1\n2,10\n3,-1\n4,10\n", {"-1", "10"}}}) {
    EXPECT_EQ(Schema::fit(parse_table(text), {}).target.classes, classes) << text;
    EXPECT_EQ(data::parse_csv(text).classes, classes) << text;
  }
}

TEST(Schema, RefusesTargetsThatTeachNothing) {
  EXPECT_TRUE(
      has_text(message_of<FileError>([] { Schema::fit(parse_table("x,y\n1,\n2,3\n"), {}); }),
               "got 1 gaps in the target 'y'"));
  EXPECT_TRUE(
      has_text(message_of<FileError>([] { Schema::fit(parse_table("x,y\n1,3\n2,3\n"), {}); }),
               "got the target 'y', expected one that differs between rows"));
  EXPECT_TRUE(
      has_text(message_of<FileError>([] { Schema::fit(parse_table("x,y\n1,3.5\n1,4.5\n"), {}); }),
               "got no feature that differs between rows"));
  const Schema s = Schema::fit(parse_table("x,y\n1,a\n2,b\n3,a\n"), {});
  EXPECT_TRUE(
      has_text(message_of<FileError>([&] { s.targets(parse_table("x,y\n1,a\n2,c\n")); }),
               "got the class 'c' in the target 'y', expected one that was there in training"));
}

TEST(Schema, IsTheSameAfterJson) {
  const Table t = parse_table("n,w,y\n1.5,red,a\n0.1,\"bl,ue\",b\n,red,a\n");
  const Schema s = Schema::fit(t, {}), again = Schema::from_json(s.to_json());
  EXPECT_EQ(s.to_json(), again.to_json());
  EXPECT_EQ(s.inputs(t).to_vector(), again.inputs(t).to_vector());
  EXPECT_EQ(s.targets(t).to_vector(), again.targets(t).to_vector());
  for (const char* text : {"", "{}", "[1]", "{\"columns\": 3}"})
    EXPECT_TRUE(has_text(message_of<StateError>([&] { Schema::from_json(text); }),
                         "got text that is no schema"));
  std::string wrong = s.to_json();
  wrong.replace(wrong.find("\"deviation\":") + 12, 1, "-");
  EXPECT_THROW(Schema::from_json(wrong), StateError);
}

/// A model that was trained for a moment.
TableModel model_of(const Table& t, const data::SchemaOptions& options, bool batch_norm = false) {
  TableModel m;
  m.schema = Schema::fit(t, options);
  m.network = {.inputs = m.schema.num_inputs(),
               .hidden = {8, 4},
               .outputs = m.schema.num_outputs(),
               .activation = "tanh",
               .batch_norm = batch_norm,
               .embedded = embedded_columns(m.schema)};
  manual_seed(4);
  m.nets = {nn::mlp(m.network)};
  if (batch_norm) m.nets[0](m.schema.inputs(t));  // running statistics
  m.nets[0].eval();
  m.notes = {{"optimizer", "adam"}};
  return m;
}

const char* const kBeams = "width,kind,load\n1.5,oak,3\n2.5,pine,4.5\n,oak,5\n4,fir,6\n3,oak,9\n";

TEST(TableModel, StandsAlone) {
  const Folder folder;
  const Table t = parse_table(kBeams);
  for (const bool batch_norm : {false, true})
    for (const char* target : {"load", "kind"}) {
      const TableModel m = model_of(t, {.target = target}, batch_norm);
      const std::string path = folder / "m.safetensors";
      m.save(path, m.schema.inputs(t));
      const TableModel again = load_model(path);
      EXPECT_EQ(again.predict(t).to_vector(), m.predict(t).to_vector()) << target;
      EXPECT_EQ(again.notes, m.notes);
    }
  const TableModel m = model_of(t, {.target = "kind"});
  const Tensor p = m.predict(t);
  EXPECT_EQ(p.shape(), (Shape{5, 3}));
  EXPECT_NEAR(p.sum().item(), 5, 1e-5);  // probabilities
}

TEST(TableModel, PredictsSingleRows) {
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "load"});
  const auto all = m.predict(t).to_vector();
  EXPECT_NEAR(m.predict({{"width", 2.5}, {"kind", std::string("pine")}})[0], all[1], 1e-5);
  EXPECT_NEAR(m.predict({{"kind", std::string("oak")}})[0], all[2], 1e-5);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         m.predict({{"widht", 2.5}});
                       }),
                       "got the column 'widht', expected one of width, kind. Hint: did you mean"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         m.predict({{"kind", 2.5}});
                       }),
                       "got a number for the column 'kind', expected a word"));
}

TEST(TableModel, PredictsRowsOfFloatsWithoutAllocation) {
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "kind"});
  const Tensor all = m.predict(t);
  // The columns are width and load; the third row has no width.
  const float rows[5][2] = {{1.5F, 3}, {2.5F, 4.5F}, {NAN, 5}, {4, 6}, {3, 9}};
  std::array<double, 3> out{};
  for (std::int64_t r = 0; r < 5; ++r) {
    m.predict(rows[r], out);
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_EQ(out[static_cast<std::size_t>(c)], all[r][c].item()) << r;
  }
  const testing::CountAllocations count;
  for (int i = 0; i < 1000; ++i) m.predict(rows[i % 5], out);
  EXPECT_EQ(count.so_far(), 0);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { m.predict(std::span(rows[0], 1), out); }),
                       "got 1 values and place for 3 results, expected 2 and 3"));
}

TEST(TableModel, PredictsARowAlikeWhateverStandsBesideIt) {
  // Some rows are far from the others, and the batch is large enough to be cut for threads.
  std::string text = "a,b,y\n";
  Generator generator(11);
  SCOPED_TRACE("seed 11");
  for (int i = 0; i < 700; ++i)
    text += to_text(i % 50 == 0 ? 1e6 : generator.uniform(), ",", generator.uniform(), ",",
                    generator.uniform(), "\n");
  const Table t = parse_table(text);
  for (const nn::NamedActivation& a : nn::named_activations()) {
    TableModel m = model_of(t, {});
    m.network.hidden = {70, 33};
    m.network.activation = a.name;
    m.nets = {nn::mlp(m.network)};
    m.nets[0].eval();
    const auto all = m.predict(t).to_vector();
    const Tensor inputs = m.schema.inputs(t);
    for (std::int64_t r = 0; r < 700; r += 7)
      EXPECT_EQ(m.predict(inputs.slice(0, r, r + 1)).item(), all[static_cast<std::size_t>(r)])
          << a.name << " row " << r;
    const auto some = m.predict(inputs.slice(0, 100, 351)).to_vector();
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + 100)) << a.name;
  }
}

TEST(Importance, FindsTheColumnThatTheModelReliesOn) {
  std::string text = "noise,signal,y\n";
  Generator generator(12);
  SCOPED_TRACE("seed 12");
  for (int i = 0; i < 200; ++i) {
    const double signal = generator.uniform();
    text += to_text(generator.uniform(), ",", signal, ",", 3 * signal, "\n");
  }
  const Table t = parse_table(text);
  TableModel m = model_of(t, {});
  m.network.hidden = {};  // y = signal, both standardised
  m.nets = {nn::mlp(m.network)};
  m.nets[0].load_state_dict({{"0.weight", tensor({{0.F, 1.F}})}, {"0.bias", zeros({1})}});
  m.nets[0].eval();
  const auto all = importance(m, t, 5, 1);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].column, "signal");
  // Two independent draws of deviation 1 differ by 2 in the mean square; R² falls from 1 to −1.
  EXPECT_NEAR(all[0].loss, 2, 0.5);
  EXPECT_NEAR(all[0].score, 2, 0.5);
  EXPECT_GT(all[0].loss_spread, 0);
  EXPECT_EQ(all[1].loss, 0);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { importance(m, t, 0); }),
                       "got 0 repeats, expected 1 or more"));
}

TEST(Schema, ReadsLongTablesInConstantMemory) {
  const Folder folder;
  const auto peak_of = [&](int rows) {
    std::string text = "x,y\n";
    for (int i = 0; i < rows; ++i) text += to_text(i % 97, ".25,", i % 5, ".5\n");
    write_file(folder / "long.csv", text);
    const Schema s = Schema::fit(parse_table("x,y\n1,2.5\n2,3.5\n"), {});
    text = std::string();
    const testing::PeakMemory peak;
    std::int64_t read = 0;
    s.read_blocks(
        folder / "long.csv", {}, [&](const Table& t, const Table&) { read += t.rows(); }, 100000);
    EXPECT_EQ(read, rows);
    return peak.bytes();
  };
  // How many blocks two threads hold at once differs from run to run.
  const std::int64_t few = peak_of(50000), many = peak_of(1000000);
  EXPECT_LT(many, 3 * few) << "the file is 20 times as long";
}

TEST(TableModel, TakesWordsByTheirPlace) {
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "load"});
  EXPECT_EQ(m.schema.features[1].words, (Words{"fir", "oak", "pine"}));
  const auto all = m.predict(t).to_vector();
  double out = 0;
  m.predict(std::array{2.5F, 2.0F}, std::span(&out, 1));
  EXPECT_EQ(out, all[1]);
  m.predict(std::array{2.5F, -1.0F}, std::span(&out, 1));
  EXPECT_EQ(out, m.predict({{"width", 2.5}, {"kind", std::string("elm")}})[0]);
}

TEST(TableModel, LooksUpWords) {
  const Folder folder;
  const Table t = many_words();
  for (const bool batch_norm : {false, true}) {
    const TableModel m = model_of(t, {}, batch_norm);
    const auto all = m.predict(t).to_vector();
    EXPECT_NE(all[0], all[5]);  // the same number, another word
    EXPECT_EQ(m.predict({{"w", std::string("w5")}, {"x", 0.0}})[0], all[5]);
    EXPECT_EQ(m.predict({{"w", std::string("new")}, {"x", 0.0}})[0], all[70]);
    m.save(folder / "m.safetensors", m.schema.inputs(t));
    EXPECT_EQ(load_model(folder / "m.safetensors").predict(t).to_vector(), all);
    // The layers take a column for each word.
    Tensor x = zeros({71, 18});
    const Tensor inputs = m.schema.inputs(t);
    for (std::int64_t r = 0; r < 71; ++r) {
      x[r][17].fill_(inputs[r][1].item());
      if (const auto word = static_cast<std::int64_t>(inputs[r][0].item()); word > 0)
        x[r][word - 1].fill_(1);
    }
    for (const DenseLayer& layer : m.layers()) {
      x = matmul(x, layer.weight) + layer.bias;
      if (!layer.activation.empty()) x = tanh(x);
    }
    const data::Target& target = m.schema.target;
    EXPECT_TRUE(
        allclose(x.to(kFloat64) * target.deviation + target.mean, m.predict(t), 1e-5, 1e-4));
  }
}

TEST(TableModel, PredictsSeveralTargets) {
  const Folder folder;
  const Table t = parse_table("x,w,a,b\n1,u,10,0.5\n2,v,20,0.1\n4,u,30,0.2\n8,v,40,0.4\n");
  const TableModel m = model_of(t, {.target = "b", .more_targets = {"a"}});
  EXPECT_EQ(m.schema.num_outputs(), 2);
  EXPECT_EQ(m.schema.features.size(), 2U);
  EXPECT_EQ(m.schema.truth(t).to_vector<float>(),
            (std::vector<float>{0.5F, 10, 0.1F, 20, 0.2F, 30, 0.4F, 40}));
  const Tensor p = m.predict(t);
  ASSERT_EQ(p.shape(), (Shape{4, 2}));
  // Targets of mean 0 and deviation 1 are what the network learns.
  EXPECT_TRUE(allclose(m.schema.targets(t).mean({0}), zeros({2}), 1e-6, 1e-6));
  const std::vector<data::Target> targets = m.schema.all_targets();
  nn::Sequential net = m.nets[0];
  const Tensor raw = net(m.schema.inputs(t));
  for (std::int64_t k = 0; k < 2; ++k)
    EXPECT_NEAR(p[1][k].item(),
                raw[1][k].item() * targets[static_cast<std::size_t>(k)].deviation +
                    targets[static_cast<std::size_t>(k)].mean,
                1e-9);
  EXPECT_EQ(m.predict({{"x", 2.0}, {"w", std::string("v")}}),
            (Doubles{p[1][0].item(), p[1][1].item()}));
  m.save(folder / "m.safetensors", m.schema.inputs(t));
  EXPECT_EQ(load_model(folder / "m.safetensors").predict(t).to_vector(), p.to_vector());
  EXPECT_TRUE(has_text(
      message_of<FileError>([&] { Schema::fit(t, {.target = "b", .more_targets = {"w"}}); }),
      "expected numbers for a regression, but it holds words"));
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { Schema::fit(t, {.target = "b", .more_targets = {"b"}}); }),
      "got the target 'b' twice, expected different ones"));
}

TEST(TableModel, GivesWordsThatWereNeverThereTheMeanVector) {
  const Table t = many_words();
  const TableModel m = model_of(t, {});
  nn::Sequential net = m.nets[0];
  const auto table = [&] { return net.state_dict().at("0.0.weight"); };
  const Tensor inputs = m.schema.inputs(t), before = table();
  settle_unknown_words(net, m.schema, inputs);  // the last rows hold unknown words: learned
  EXPECT_EQ(table().to_vector(), before.to_vector());
  settle_unknown_words(net, m.schema, inputs.slice(0, 0, 34));  // each of 17 words twice
  EXPECT_TRUE(allclose(table()[0], before.slice(0, 1, 18).mean({0}), 1e-5, 1e-6));
  EXPECT_EQ(table().slice(0, 1).to_vector(), before.slice(0, 1).to_vector());
}

TEST(TableModel, PredictsTheMeanOfAnEnsemble) {
  const Folder folder;
  const Table t = parse_table(kBeams);
  for (const char* target : {"load", "kind"}) {
    TableModel m = model_of(t, {.target = target});
    const Tensor first = m.predict(t);
    m.nets.push_back(nn::mlp(m.network));
    m.nets.back().eval();
    const auto each = m.predict_each(m.schema.inputs(t));
    ASSERT_EQ(each.size(), 2U);
    EXPECT_TRUE(allclose(each[0], first, 0, 0));
    EXPECT_FALSE(allclose(each[1], first));
    EXPECT_TRUE(allclose(m.predict(t), (each[0] + each[1]) / 2.0, 0, 0)) << target;
    m.save(folder / "m.safetensors", m.schema.inputs(t));
    EXPECT_EQ(load_model(folder / "m.safetensors").predict(t).to_vector(),
              m.predict(t).to_vector());
  }
}

TEST(Schema, ReadsLongTablesInBlocks) {
  const Folder folder;
  // Quoted line breaks, gaps, a word that is not there at first, and rows of many lengths, so that
  // the ends of blocks fall anywhere.
  std::string text = "id,\"a\nb\",w,y\r\n";
  for (int i = 0; i < 3000; ++i)
    text += to_text("\"row\n", i, std::string(static_cast<std::size_t>(i % 7), 'x'), "\",",
                    i % 11 == 0 ? std::string("NA") : to_text(i * 0.37), ",",
                    i > 2900     ? "late"
                    : i % 3 == 0 ? "red"
                                 : "blue",
                    ",", i % 2, "\r\n");
  write_file(folder / "t.csv", text);
  const Schema s = Schema::fit(parse_table(text, {.columns = {{"id", ColumnUse::drop}}}), {});
  const Table whole = s.read(folder / "t.csv");
  for (const std::size_t size : {std::size_t{100}, std::size_t{5000}, text.size()}) {
    std::vector<Tensor> inputs;
    std::string ids;
    s.read_blocks(
        folder / "t.csv", {"id"},
        [&](const Table& rows, const Table& kept) {
          inputs.push_back(s.inputs(rows));
          for (std::int64_t r = 0; r < kept.rows(); ++r)
            ids += kept.columns[0].words[static_cast<std::size_t>(kept.values[r][0].item())] + ";";
        },
        size);
    const Tensor all = cat(inputs, 0);
    ASSERT_EQ(all.size(0), 3000) << size;
    EXPECT_TRUE(allclose(all, s.inputs(whole), 0, 0)) << size;
    EXPECT_TRUE(ids.starts_with("row\n0;row\n1x;row\n2xx;")) << ids.substr(0, 40);
    EXPECT_TRUE(ids.ends_with("row\n2999xxx;"));
    EXPECT_EQ(inputs.size() > 100, size < 1000);
  }
  // The line of an error counts from the beginning of the file.
  text += "1,2,red\r\n";
  write_file(folder / "t.csv", text);
  EXPECT_TRUE(has_text(message_of<FileError>([&] {
                         s.read_blocks(
                             folder / "t.csv", {}, [](const Table&, const Table&) {}, 100);
                       }),
                       "got 3 fields in line 6003, expected 4"));
}

TEST(Schema, ReadsAFileThatIsWrittenOtherwise) {
  const Folder folder;
  const Schema s = Schema::fit(parse_table("a;b\n1,5;2\n2,5;3\n3,5;5\n", {.decimal = ','}), {});
  write_file(folder / "t.csv", "a|b\n0.5|1\n4|2\n");
  EXPECT_TRUE(has_text(message_of<FileError>([&] { s.read(folder / "t.csv"); }),
                       "got '0.5' in line 2, column 0 counted from 0 (a), expected a finite "
                       "number, with a decimal comma. Hint: the option decimal says"));
  const descent::data::TableOptions format{.separator = '|', .decimal = '.', .header = true};
  const std::vector<double> expected = s.inputs(parse_table("a,b\n0.5,1\n4,2\n")).to_vector();
  EXPECT_EQ(s.inputs(s.read(folder / "t.csv", format)).to_vector(), expected);
  s.read_blocks(
      folder / "t.csv", {},
      [&](const Table& rows, const Table&) { EXPECT_EQ(s.inputs(rows).to_vector(), expected); },
      1000, format);
}

TEST(TableModel, PredictsFromSeveralThreads) {
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "load"}, true);
  const auto expected = m.predict(t).to_vector();
  std::vector<std::thread> threads;
  std::array<bool, 4> same{};
  for (std::size_t i = 0; i < same.size(); ++i)
    threads.emplace_back([&, i] {
      same[i] = true;
      for (int k = 0; k < 200; ++k) same[i] = same[i] && m.predict(t).to_vector() == expected;
    });
  for (std::thread& thread : threads) thread.join();
  for (const bool s : same) EXPECT_TRUE(s);
}

/// Gives a changed file the checksum that it would have, as somebody hostile does.
void seal(Archive& a) { a.metadata["descent_checksum"] = checksum(a); }

TEST(TableModel, RefusesFilesThatAreNoModel) {
  const Folder folder;
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "load"});
  const std::string path = folder / "m.safetensors";
  m.save(path, m.schema.inputs(t));
  const auto refused = [&](const auto& change, const char* message) {
    Archive a = load_tensors(path);
    change(a);
    if (!a.metadata.empty()) seal(a);
    const std::string changed = folder / "changed.safetensors";
    save_tensors(changed, a.tensors, a.metadata);
    EXPECT_TRUE(has_text(message_of<FileError>([&] { load_model(changed); }), message));
  };
  refused([](Archive& a) { a.metadata.clear(); }, "which holds tensors but no model");
  refused([](Archive& a) { a.metadata["descent_model"] = "{"; },
          "with a description that is damaged");
  const auto refused_text = [&](const std::string& from, const std::string& to,
                                const char* message) {
    refused(
        [&](Archive& a) {
          std::string& text = a.metadata["descent_model"];
          text.replace(text.find(from), from.size(), to);
        },
        message);
  };
  refused_text("\"version\":3", "\"version\":9", "of version 9, expected 3");
  refused_text("[8,4]", "[9999999,9999999]", "with layers larger than its weights");
  refused_text("\"inputs\":", "\"inputs\":7", "as its columns need");
  Archive unsealed = load_tensors(path);
  unsealed.tensors.at("net.0.0.bias").add_(1e-6);
  save_tensors(path + "-unsealed", unsealed.tensors, unsealed.metadata);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { load_model(path + "-unsealed"); }),
                       "whose checksum is wrong, expected the file as it was saved"));
  refused([](Archive& a) { a.tensors.erase("check.inputs"); }, "without rows to check");
  refused([](Archive& a) { a.tensors.at("net.0.0.bias").add_(1.0); },
          "does not predict for its own rows what it did when it was saved");
  refused([](Archive& a) { a.tensors.erase("net.0.0.bias"); }, "missing: 0.bias");
}

TEST(TableModel, RefusesToDescribeWhatNoFileCouldHold) {
  std::string text = "w,y\n";
  for (int i = 0; i < 8; ++i) {
    text.append(std::size_t{3} << 20, i % 2 == 0 ? 'a' : 'b');
    text += to_text(",", i, ".5\n");
  }
  const TableModel m = model_of(parse_table(text), {});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { m.description(); }),
                       "bytes of text, expected at most 4194304. Hint: drop columns"));
}

TEST(TableModel, SurvivesAnyFile) {
  const Folder folder;
  const Table t = parse_table(kBeams);
  const TableModel m = model_of(t, {.target = "kind"});
  const std::string path = folder / "m.safetensors";
  m.save(path, m.schema.inputs(t));
  const std::string whole = read_file(path);
  const Archive file = load_tensors(path);
  const std::string text = file.metadata.at("descent_model");
  Generator generator(9);
  SCOPED_TRACE("seed 9");
  int loaded = 0;
  const auto try_to_load = [&] {
    try {
      const TableModel again = load_model(path);
      again.predict(again.schema.inputs(t));
      ++loaded;
    } catch (const Error& e) {
      EXPECT_LT(std::string(e.what()).size(), 1000u);
    }
  };
  for (int i = 0; i < 1500; ++i) {
    std::string changed = i % 2 == 0 ? text : whole;
    const std::size_t at = generator.below(changed.size());
    if (generator.below(8) == 0)
      changed.resize(at);
    else
      changed[at] = i % 2 == 1 && generator.below(3) == 0
                        ? static_cast<char>(generator.below(256))
                        : "0123456789,:{}[]\"-"[generator.below(18)];
    if (i % 2 == 0) {
      Archive a{file.tensors, {{"descent_model", changed}}};
      seal(a);
      save_tensors(path, a.tensors, a.metadata);
    } else
      write_file(path, changed);
    try_to_load();
  }
  EXPECT_LT(loaded, 1500);
  Archive deep{file.tensors, {{"descent_model", std::string(100000, '[')}}};
  seal(deep);
  save_tensors(path, deep.tensors, deep.metadata);
  EXPECT_TRUE(has_text(message_of<FileError>([&] { load_model(path); }), "nested too deeply"));
}

}  // namespace
}  // namespace descent
