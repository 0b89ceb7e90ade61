// Metrics, against the numbers that tests/reference/metrics.py prints, and their intervals.
#include "tests/support/errors.h"

#include <descent/descent.h>

#include <gtest/gtest.h>
#include <cmath>

namespace descent {
namespace {

using nn::classification_measures;
using nn::Measure;
using nn::regression_measures;
using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;
using Labels = std::vector<std::int64_t>;

/// The numbers in [0, 1) that the script draws too.
Doubles uniform(std::size_t n) {
  Doubles out;
  std::uint64_t state = 12345;
  while (out.size() < n) {
    state = (state * 1103515245 + 12345) % (1ULL << 31);
    out.push_back(static_cast<double>(state) / (1ULL << 31));
  }
  return out;
}

void expect_values(const std::vector<Measure>& measures, const Doubles& expected) {
  ASSERT_EQ(measures.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(measures[i].value, expected[i], 1e-12) << measures[i].name;
    EXPECT_LE(measures[i].low, measures[i].value) << measures[i].name;
    EXPECT_GE(measures[i].high, measures[i].value) << measures[i].name;
    EXPECT_LT(measures[i].low, measures[i].high) << measures[i].name;
  }
}

/// Three classes, in double.
std::pair<Tensor, Tensor> three_classes() {
  const Doubles u = uniform(160);
  Doubles p;
  Labels y;
  for (std::size_t r = 0; r < 40; ++r) {
    const double a = u[3 * r] + 0.05, b = u[3 * r + 1] + 0.05, c = u[3 * r + 2] + 0.05;
    p.insert(p.end(), {a / (a + b + c), b / (a + b + c), c / (a + b + c)});
    y.push_back(r % 2 == 0       ? static_cast<std::int64_t>(u[120 + r] * 3)
                : a > b && a > c ? 0
                : b > c          ? 1
                                 : 2);
  }
  return {tensor(p, {40, 3}), tensor(y)};
}

TEST(Metrics, AgreeWithScikitLearnOnThreeClasses) {
  const auto [p, y] = three_classes();
  expect_values(classification_measures(p, y),
                {0.65, 0.6793650793650793, 0.6391036414565826, 0.744763431877184, 1.043318682404318,
                 0.17252906995995249});
  EXPECT_EQ(nn::confusion_matrix(p, y).to_vector<std::int64_t>(),
            (Labels{6, 1, 2, 4, 12, 5, 2, 0, 8}));
}

TEST(Metrics, AgreeWithScikitLearnOnEqualProbabilities) {
  const Doubles u = uniform(160);
  Doubles p;
  Labels y;
  for (std::size_t r = 0; r < 40; ++r) {
    const double p1 = std::clamp(std::nearbyint(u[r] * 8) / 8, 0.125, 0.875);
    p.insert(p.end(), {1 - p1, p1});
    y.push_back(u[40 + r] < p1 * 0.8 + 0.1 ? 1 : 0);
  }
  expect_values(classification_measures(tensor(p, {40, 2}), tensor(y)),
                {0.675, 0.6779448621553885, 0.6747967479674797, 0.786967418546366,
                 0.5627070091681313, 0.1375});
}

TEST(Metrics, AgreeWithScikitLearnOnValuesFarFromZero) {
  const Doubles u = uniform(160);
  Doubles t, q;
  for (std::size_t r = 0; r < 50; ++r) {
    t.push_back(u[r] * 10 + 1e6);
    q.push_back(t.back() + u[50 + r] - 0.4);
  }
  expect_values(regression_measures(tensor(q), tensor(t)),
                {0.9847999578181995, 0.3122291840399431, 0.2659359671454877, 0.2501301612937823,
                 0.4983533349586651});
}

TEST(Metrics, IntervalsHoldTheTruthAsOftenAsTheySay) {
  // 200 test sets of 150 rows, of a classifier that is right with probability 0.8. An interval of
  // 95 % misses about 5 % of the time, and a bootstrap a little more; more than 28 of 200 would
  // happen with probability below 0.001 even if it missed 7.5 % of the time.
  int missed = 0;
  for (std::uint64_t set = 0; set < 200; ++set) {
    Generator random(set, 7);
    Doubles p;
    Labels y;
    for (int r = 0; r < 150; ++r) {
      const bool right = random.uniform() < 0.8;
      const auto label = static_cast<std::int64_t>(random.below(2));
      y.push_back(label);
      const double first = right == (label == 0) ? 0.9 : 0.1;
      p.insert(p.end(), {first, 1 - first});
    }
    const Measure accuracy =
        classification_measures(tensor(p, {150, 2}), tensor(y), {.resamples = 300, .seed = set})[0];
    missed += accuracy.low > 0.8 || accuracy.high < 0.8;
  }
  EXPECT_LE(missed, 28);
  EXPECT_GE(missed, 1);  // intervals that always hold would be too wide: 0.95^200 < 0.0001
}

TEST(Metrics, LeaveOutWhatTheRowsDoNotDefine) {
  // No row of class 2, and none is predicted as such: it does not count.
  const Tensor p = tensor(Doubles{0.7, 0.2, 0.1, 0.3, 0.6, 0.1, 0.6, 0.3, 0.1}, {3, 3});
  const auto m = classification_measures(p, tensor(Labels{0, 1, 0}), {.resamples = 0});
  EXPECT_EQ(m[1].value, 1);  // balanced accuracy
  EXPECT_EQ(m[2].value, 1);  // macro F1
  EXPECT_EQ(m[3].value, 1);  // AUC
  // Rows of one class alone define no AUC; values that are all equal define no R².
  EXPECT_TRUE(std::isnan(classification_measures(p, tensor(Labels{0, 0, 0}))[3].value));
  EXPECT_TRUE(std::isnan(regression_measures(tensor({1., 2.}), tensor({3., 3.}))[0].value));
}

TEST(Metrics, CalibrationCurveShowsOverconfidence) {
  const Tensor p = tensor(Doubles{0.05, 0.95, 0.05, 0.95, 0.45, 0.55}, {3, 2});
  const auto curve = nn::calibration_curve(p, tensor(Labels{1, 0, 1}));
  ASSERT_EQ(curve.size(), 15U);
  EXPECT_EQ(curve[14].rows, 2);
  EXPECT_NEAR(curve[14].confidence, 0.95, 1e-12);
  EXPECT_NEAR(curve[14].accuracy, 0.5, 1e-12);
  EXPECT_EQ(curve[8].rows, 1);
  EXPECT_EQ(curve[0].rows, 0);
}

TEST(Metrics, RefuseWhatIsNoPrediction) {
  const Tensor p = tensor(Doubles{0.5, 0.5}, {1, 2});
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { classification_measures(p, tensor(Labels{2})); }),
               "got label 2, expected one in [0, 2)"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { classification_measures(p * 4.0, tensor(Labels{1})); }),
               "got the probability 2, expected one in [0, 1]. Hint: softmax"));
  EXPECT_THROW(classification_measures(p, tensor(Labels{0, 1})), ShapeError);
  EXPECT_THROW(classification_measures(zeros({0, 2}), zeros({0}, kInt64)), ValueError);
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { regression_measures(tensor({NAN}), tensor({1.})); }),
               "got nan, expected finite values"));
  EXPECT_THROW(regression_measures(tensor({1.}), tensor({1., 2.})), ShapeError);
  EXPECT_TRUE(has_text(
      message_of<ValueError>([&] { classification_measures(p, tensor(Labels{1}), {.level = 1}); }),
      "got 1000 resamples at level 1, expected 0 or more, and a level between"));
}

}  // namespace
}  // namespace descent
