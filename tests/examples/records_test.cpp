// results.json: what --resume reads, what it refuses, and what reading takes.
#include "study/records.h"
#include "tests/support/allocations.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

#include <descent/core/files.h>

#include <gtest/gtest.h>
#include <cmath>
#include <nlohmann/json.hpp>

namespace {

using namespace app;
using descent::FileError;
using descent::testing::has_text;
using descent::testing::message_of;
using descent::testing::TemporaryFolder;
using Json = nlohmann::ordered_json;

const Json kIdentity{{"protocol", 2}, {"data", "iris"}};
const std::string kRun =
    R"("diverged":false,"gradient_evaluations":12,"seconds":0.5,"validation_loss":0.25,"validation_score":null)";

/// A file with this text for its runs.
std::string file_with(const std::string& runs) {
  return R"({"identity":{"protocol":2,"data":"iris","more":[1]},"summary":[[{}]],"runs":{)" + runs +
         "}}";
}

TEST(Records, GiveBackWhatWasSaved) {
  const TemporaryFolder folder;
  Outcome plain, tested;
  plain.diverged = true;
  tested.validation = {0.1, NAN};
  tested.test = {1e-300, 0.5};
  tested.tested = true;
  tested.gradient_evaluations = 7;
  tested.loss = {3, NAN, 0.1};
  tested.score = {0.1, 0.2};
  {
    Records records(folder / "r", kIdentity, false);
    records.put("plain \"ä\"", plain);
    records.put("tested", tested);
    records.save("running", nullptr);
  }
  const Records again(folder / "r", kIdentity, true);
  ASSERT_TRUE(again.find("plain \"ä\"") && again.find("tested"));
  EXPECT_TRUE(again.find("plain \"ä\"")->diverged);
  const Outcome& r = *again.find("tested");
  EXPECT_TRUE(r.tested && !r.diverged && r.gradient_evaluations == 7);
  EXPECT_TRUE(r.validation.loss == 0.1 && std::isnan(r.validation.accuracy));
  EXPECT_TRUE(r.test.loss == 1e-300 && r.test.accuracy == 0.5);
  EXPECT_TRUE(r.loss.size() == 3 && std::isnan(r.loss[1]) && r.loss[2] == 0.1);
  EXPECT_EQ(r.score, tested.score);
}

TEST(Records, RefuseWhatIsNoResult) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& text) {
    descent::write_file(folder / "r", text);
    const std::string why = message_of<FileError>([&] { Records(folder / "r", kIdentity, true); });
    EXPECT_LT(why.size(), 1000u);
    return why;
  };
  const std::string deep(100000, '['), run = "{" + kRun + "}";
  EXPECT_TRUE(has_text(refusal("[]"), "it is a list, not an object"));
  EXPECT_TRUE(has_text(refusal("{}"), "it has no identity"));
  EXPECT_TRUE(has_text(refusal(R"({"identity":{}})"), "it has no runs"));
  EXPECT_TRUE(has_text(refusal(R"({"runs":{},"runs":{}})"), "it has 'runs' twice"));
  EXPECT_TRUE(has_text(refusal(file_with("\"a\":" + run + ",\"a\":" + run)), "it has 'a' twice"));
  EXPECT_TRUE(
      has_text(refusal(file_with("\"a\":{\"seconds\":1," + kRun + "}")), "'seconds' twice"));
  EXPECT_TRUE(has_text(refusal(file_with("\"a\":{}")), "its run 'a' has no diverged"));
  EXPECT_TRUE(has_text(refusal(file_with("\"a\":{\"test_loss\":1," + kRun + "}")),
                       "its run 'a' has no test_score"));
  EXPECT_TRUE(has_text(refusal(file_with("\"a\":{\"seconds\":" + deep)),
                       "its 'runs / a / seconds' is or holds a list"));
  EXPECT_TRUE(has_text(refusal(file_with(R"("a":{"gradient_evaluations":-1)")), "holds -1"));
  EXPECT_TRUE(has_text(refusal(file_with(R"("a":{"gradient_evaluations":1e300)")), "holds 1e300"));
  EXPECT_TRUE(has_text(refusal(file_with(R"("a":{"loss_by_epoch":[1,[)")), "holds a list"));
  EXPECT_TRUE(has_text(refusal(file_with(R"("a":{"seconds":1e999)")), "it is no JSON from byte "));
  EXPECT_TRUE(has_text(refusal(file_with("\"" + std::string(70000, 'n') + "\":1")),
                       "it has a text of more than 65536 bytes"));
  EXPECT_TRUE(has_text(refusal("{\"\xff"), "it is no JSON"));
  EXPECT_TRUE(has_text(message_of<FileError>([&] { Records("/dev/zero", kIdentity, true); }),
                       "got a device"));
}

TEST(Records, TakeMemoryForTheFileAndLittleMore) {
  const TemporaryFolder folder;
  constexpr std::size_t kSize = std::size_t{12} << 20;
  const auto repeated = [](const std::string& part) {
    std::string text;
    while (text.size() < kSize) text += part;
    return text;
  };
  std::string fields, names;
  for (int i = 0; fields.size() < kSize; ++i) fields += descent::to_text("\"", i, "\":0,");
  names = R"({"identity":{)" + fields;
  for (const std::string& text :
       {repeated("["), repeated(R"({"a":)"),
        file_with(R"("a":{"loss_by_epoch":[)" + repeated("0,")), file_with("\"a\":{" + fields),
        names, repeated("\"\\\\\\\"\","), std::string(R"({"summary":)") + repeated("[0,")}) {
    descent::write_file(folder / "r", text);
    const descent::testing::PeakMemory peak;
    EXPECT_THROW(Records(folder / "r", kIdentity, true), FileError) << text.substr(0, 50);
    EXPECT_LT(peak.bytes(), static_cast<std::int64_t>(text.size()) + (std::int64_t{64} << 20))
        << text.substr(0, 50);
  }
}

}  // namespace
