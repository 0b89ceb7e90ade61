// The text form of an optimizer: what is printed can be read, and an error says where the text is
// wrong.
#include "tests/optim/trajectory.h"
#include "tests/support/errors.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;
using testing::Problem;

TEST(Description, IsReadAsItIsPrinted) {
  const Problem p;
  const char* text =
      "sam(clip_norm(adamw(lr=warmup(5, cosine(0.001, 500)), weight_decay=0.05), 1.0), rho=0.05)";
  const Optimizer o = make(text, p.parameters());
  EXPECT_EQ(o.get("weight_decay"), 0.05);
  EXPECT_EQ(o.get("max_norm"), 1);
  EXPECT_EQ(o.get("lr"), 0.0002);
  EXPECT_EQ(make(o.to_string(), p.parameters()).to_string(), o.to_string());
  EXPECT_EQ(rule_of(text), "adamw");
}

TEST(Description, ThatIsWrongSaysWhere) {
  const Problem p;
  const auto refusal = [&](const char* text) {
    return message_of<ValueError>([&] { make(text, p.parameters()); });
  };
  EXPECT_TRUE(has_text(refusal("sam(adamw"), "expected ',' or ')' after 'sam(adamw'"));
  EXPECT_TRUE(has_text(refusal(""), "expected a name or a number"));
  EXPECT_TRUE(has_text(refusal("adamx"), "did you mean"));
  EXPECT_TRUE(has_text(refusal("adamw(rate=1)"), "got the setting 'rate'"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=cosin(1, 2))"), "did you mean 'cosine'?"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=cosine(1))"), "expected cosine(value, steps, end)"));
  EXPECT_TRUE(has_text(refusal("adamw(lr=fast)"), "got the value 'fast'"));
  EXPECT_TRUE(has_text(refusal("sam"), "expected one inside"));
  EXPECT_TRUE(has_text(refusal("clip_norm(adamw)"), "max_norm"));
  EXPECT_TRUE(has_text(refusal("adamw(0.1)"), "without a name"));
  EXPECT_TRUE(has_text(refusal("sgd(lr=1, lr=2)"), "got lr twice"));
  EXPECT_TRUE(has_text(refusal("adamw) "), "expected the end"));
  EXPECT_TRUE(has_text(refusal(std::string(5000, '(').c_str()), "expected"));
  EXPECT_TRUE(has_text(refusal(("a" + std::string(300, '(')).c_str()), "expected"));
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "ema(";
  EXPECT_TRUE(has_text(refusal(deep.c_str()), "fewer parentheses"));
}

TEST(Description, OfRandomTextNeverCrashes) {
  const std::string letters = "sam(dw),=:. 1e-9_";
  Generator generator(11);
  const Problem p;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const int n = static_cast<int>(generator.uniform() * 25);
    for (int k = 0; k < n; ++k)
      text += letters[static_cast<std::size_t>(generator.uniform() *
                                               static_cast<double>(letters.size()))];
    try {
      make(text, p.parameters());
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace descent
