// The search of a comparison, and the conclusions from its runs. The runs are made up.
#include <gtest/gtest.h>
#include "study/judge.h"

#include <algorithm>
#include <cmath>

namespace {

using namespace app;

TEST(Quartiles, AreNumPysLinearOnes) {
  const Quartiles q = quartiles({4, 1, 3, 2});  // numpy.quantile([1, 2, 3, 4], [.25, .5, .75])
  EXPECT_DOUBLE_EQ(q.low, 1.75);
  EXPECT_DOUBLE_EQ(q.median, 2.5);
  EXPECT_DOUBLE_EQ(q.high, 3.25);
  EXPECT_DOUBLE_EQ(quartiles({7}).low, 7);
  EXPECT_TRUE(std::isnan(quartiles({}).median));
}

TEST(Quartiles, ARunThatFailedIsBelowAll) {
  const Quartiles q = quartiles({-INFINITY, .9, .8, .7, .6});
  EXPECT_DOUBLE_EQ(q.low, .6);
  EXPECT_EQ(quartiles({-INFINITY, .9}).median, -INFINITY);
}

TEST(Profile, IsTheShareOfProblemsSolvedWithinARatio) {
  // Solver 0 is the cheapest on problem 0, and costs twice the lowest cost on problem 1. Solver 2
  // solves no problem.
  const std::vector<std::vector<double>> costs{{10, 40}, {30, 20}, {INFINITY, INFINITY}};
  EXPECT_DOUBLE_EQ(profile(costs, 0, 1), .5);
  EXPECT_DOUBLE_EQ(profile(costs, 0, 2), 1);
  EXPECT_DOUBLE_EQ(profile(costs, 1, 2.9), .5);
  EXPECT_DOUBLE_EQ(profile(costs, 2, 1e9), 0);
  // For ratios from 1 to 4: the profile of solver 0 is 0.5 up to ratio 2, and 1 above.
  EXPECT_DOUBLE_EQ(profile_area(costs, 0, 4), (.5 * 1 + 1 * 2) / 3);
  EXPECT_DOUBLE_EQ(profile_area(costs, 2, 4), 0);
}

TEST(Search, BeginsWithTheDefaultsAndStaysInItsBox) {
  Options o;
  o.optimizer = "adamw, momentum(lr=0.3), sam(adamw)";
  const std::vector<Entrant> all = entrants_of(o);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(to_string(all[0].trial(0)), "lr=0.001 beta1=0.9 weight_decay=0.01");
  EXPECT_EQ(all[0].space_text(), "lr 0.0001–0.3, 1 − beta1 0.03–0.5, weight_decay 0.001–1");
  EXPECT_EQ(to_string(all[1].trial(0)), "momentum=0.9") << "what is given is not searched";
  EXPECT_EQ(to_string(all[2].trial(0)), "lr=0.001 beta1=0.9 weight_decay=0.01 rho=0.05");
  for (const Entrant& e : all)
    for (std::size_t t = 1; t < 200; ++t)
      for (std::size_t k = 0; k < e.space.size(); ++k) {
        const Dimension& d = e.space[k];
        const double value = e.trial(t)[k].second, at = d.from_one ? 1 - value : value;
        EXPECT_GE(at, d.low * .99) << e.name << " " << d.name;
        EXPECT_LE(at, d.high * 1.01) << e.name << " " << d.name;
      }
}

TEST(Search, EveryBeginningIsSpreadEvenlyInLogarithm) {
  Options o;
  o.optimizer = "sgd";
  const Entrant sgd = entrants_of(o)[0];
  const auto within = [&](std::size_t trials, double low, double high) {
    std::size_t n = 0;
    for (std::size_t t = 1; t <= trials; ++t) {
      const double lr = sgd.trial(t)[0].second;
      n += lr >= low && lr < high;
    }
    return n;
  };
  // The range from 0.001 to 3 has 3.48 decades. One decade is 0.2877 of the range.
  for (const std::size_t trials : {12U, 24U, 48U, 96U})
    EXPECT_NEAR(static_cast<double>(within(trials, .01, .1)), .2877 * static_cast<double>(trials),
                1.5)
        << trials;
}

TEST(Search, LeavesOutWhatCannotGoIntoTheOptions) {
  Options o;
  o.optimizer.clear();
  o.sam = .1;
  const std::vector<Entrant> all = entrants_of(o);
  EXPECT_EQ(all.size(), 10U);  // of twelve: --sam refuses sam(momentum) and sam(adamw)
  for (const Entrant& e : all) EXPECT_TRUE(e.name.find("sam(sam(") == std::string::npos) << e.name;
  o = {};
  o.optimizer.clear();
  o.swa = .5;  // --swa turns "adamw" into "swa(adamw)", which is in the list already
  std::vector<std::string> names;
  for (const Entrant& e : entrants_of(o)) names.push_back(e.name);
  EXPECT_EQ(std::count(names.begin(), names.end(), "swa(adamw)"), 1);
  o = {};
  o.optimizer = "sam(adamw)";
  o.sam = .1;
  EXPECT_EQ(entrants_of(o).size(), 1U) << "what is named stays, to be refused with the reason";
}

TEST(Search, KnowsWhatIsGiven) {
  Options o;
  o.optimizer = "adam";
  o.lr = .05;
  o.set = {"eps=0.01"};
  const Entrant e = entrants_of(o)[0];
  EXPECT_EQ(to_string(e.given), "lr=0.05 eps=0.01");
  EXPECT_EQ(to_string(e.defaults), "beta1=0.9");
}

TEST(Search, SettingsReachTheOptimizer) {
  Options o;
  o.optimizer = "sam(adamw)";
  const Entrant e = entrants_of(o)[0];
  const Options own =
      options_for(o, e, {{"lr", .02}, {"beta1", .8}, {"weight_decay", .1}, {"rho", .3}}, 5);
  EXPECT_EQ(own.optimizer, "sam(adamw, rho=0.3)");
  EXPECT_DOUBLE_EQ(own.lr, .02);
  EXPECT_EQ(own.set, (std::vector<std::string>{"beta1=0.8", "weight_decay=0.1"}));
  EXPECT_EQ(own.seed, 5U);
}

/// A contest of contenders with these test scores, one for each seed. Each run reaches its score in
/// the second of two epochs.
Contest contest_of(const std::vector<std::pair<std::string, std::vector<double>>>& all) {
  Contest c{"made up", true, 4, 1000, 3, 200, .3, {}};
  for (const auto& [name, scores] : all) {
    Contender who;
    who.entrant.name = name;
    who.tuned.settings = {{"lr", .1}};
    for (const double score : scores) {
      Outcome r;
      r.diverged = !std::isfinite(score);
      r.tested = true;
      r.test = r.validation = {1 - score, score};
      r.gradient_evaluations = 100;
      r.loss = {1, 1 - score};
      r.score = {.1, score};
      who.tuned.runs.push_back(r);
    }
    who.defaults = who.tuned;
    who.trials = {who.tuned};
    c.contenders.push_back(who);
  }
  return c;
}

Judged judged(const Contest& c) { return judge(c, {{}, "complete", 1, 1}, {}); }

bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST(Judge, ClaimsAWinOnlyWhereTheMiddleHalvesAreApart) {
  const Contest c = contest_of({{"sgd", {.80, .81, .82, .83, .84}},
                                {"adam", {.90, .91, .92, .93, .94}},
                                {"lion", {.88, .90, .915, .92, .93}}});
  const Judged j = judged(c);
  EXPECT_EQ(j.standings[0].who->entrant.name, "adam");
  EXPECT_TRUE(says(j.sentence,
                   "On made up, use adam with lr 0.1: 92.0 % of the test data right "
                   "(the middle half of 5 seeds: 91.0–93.0)."))
      << j.sentence;
  EXPECT_TRUE(says(j.sentence, "It is ahead of sgd.")) << j.sentence;
  EXPECT_TRUE(says(j.sentence, "do not tell it apart from lion.")) << j.sentence;
}

TEST(Judge, AheadMeansWithEverySeed) {
  // The middle halves are apart, but with the last seed sgd is better.
  const Contest c =
      contest_of({{"adam", {.90, .91, .92, .93, .80}}, {"sgd", {.70, .71, .72, .73, .81}}});
  EXPECT_TRUE(above(quartiles(scores(c.contenders[0].tuned, true)),
                    quartiles(scores(c.contenders[1].tuned, true))));
  EXPECT_FALSE(ahead(c.contenders[0].tuned, c.contenders[1].tuned, true));
  EXPECT_TRUE(says(judged(c).sentence, "do not tell it apart from sgd")) << judged(c).sentence;
}

TEST(Judge, SaysHowLittleFewSeedsProve) {
  const Judged j = judged(contest_of({{"adam", {.9, .9, .9}}, {"sgd", {.8, .8, .8}}}));
  EXPECT_TRUE(says(j.sentence,
                   "It is ahead of sgd. With 3 seeds, chance alone puts one of two equals "
                   "ahead in up to one case of 4: more --seeds tell more."))
      << j.sentence;
}

TEST(Judge, SaysWhenTheCommonestClassIsAsGood) {
  const Judged j = judged(contest_of({{"adam", {.3, .3, .3}}}));
  EXPECT_TRUE(says(j.sentence, "no better than always to say the commonest class (30.0 %)"))
      << j.sentence;
}

TEST(Judge, SaysWhatAStopLeftUndone) {
  Contest c = contest_of({{"adam", {.9, .9, .9}}, {"sgd", {.8, .8, .8}}});
  Options o;
  o.budget = 8;
  EXPECT_TRUE(
      says(judge(c, {{}, "out of time", 1, 1}, o).sentence, "Only 1 of 8 rounds of trials"));
  for (Contender& who : c.contenders) who.trials.clear();
  EXPECT_TRUE(says(judge(c, {{}, "out of time", 1, 1}, o).sentence,
                   "Nothing was searched yet: these are the settings by default."));
}

TEST(Judge, NamesRatesThatDidBetterAfterTheChoice) {
  Contest c = contest_of({{"adam", {.9, .9, .9}}});
  Tried other = c.contenders[0].trials[0];
  other.settings = {{"lr", .3}};
  for (Outcome& r : other.runs) r.validation.accuracy = .95;
  c.contenders[0].sweep = {other};
  const Judged j = judged(c);
  ASSERT_FALSE(j.notes.empty());
  EXPECT_TRUE(says(j.notes[0], "after the choice: adam at 0.3")) << j.notes[0];
}

TEST(Judge, NamesWhatWasGiven) {
  Contest c = contest_of({{"adam", {.9, .9, .9}}});
  c.contenders[0].entrant.given = {{"eps", .01}};
  EXPECT_TRUE(says(judged(c).sentence, "use adam with lr 0.1 and eps 0.01:")) << judged(c).sentence;
}

TEST(Judge, OneSeedProvesNothing) {
  const Judged j = judged(contest_of({{"sgd", {.5}}, {"adam", {.9}}}));
  EXPECT_TRUE(says(j.sentence, "One seed says nothing about how far that is chance."))
      << j.sentence;
  EXPECT_FALSE(says(j.sentence, "ahead")) << j.sentence;
}

TEST(Judge, TheTargetIsOfTheBestStandardBaseline) {
  const Contest c =
      contest_of({{"lion", {.95, .95, .95}}, {"adam", {.92, .92, .92}}, {"sgd", {.91, .91, .91}}});
  const Judged j = judged(c);
  EXPECT_EQ(j.baseline, "adam");
  EXPECT_DOUBLE_EQ(j.target, .92);
  EXPECT_DOUBLE_EQ(j.standings[0].to_target, 100);  // at the end of the second of two epochs
  EXPECT_EQ(j.standings[2].to_target, INFINITY);    // sgd ends below
}

TEST(Judge, SoundsAnAlarmWhereAnOptimizerEndsBelowOneItContains) {
  EXPECT_TRUE(judged(contest_of({{"adam", {.9, .9, .9}}, {"sgd", {.8, .8, .8}}})).alarms.empty());
  const Judged j = judged(contest_of({{"momentum", {.8, .8, .8}}, {"sgd", {.9, .9, .9}}}));
  ASSERT_EQ(j.alarms.size(), 1U);
  EXPECT_TRUE(says(j.alarms[0], "momentum ends below sgd, though it contains it")) << j.alarms[0];
}

TEST(Judge, RunsThatDivergeComeLast) {
  const Contest c = contest_of({{"adam", {NAN, NAN, .99}}, {"sgd", {.5, .5, .5}}});
  const Judged j = judged(c);  // points into the contest
  EXPECT_EQ(j.standings[0].who->entrant.name, "sgd");
  EXPECT_EQ(score_text(j.standings[1].test.median, true), "diverged");
  const Judged none = judged(contest_of({{"sgd", {NAN, NAN}}}));
  EXPECT_TRUE(says(none.sentence, "every run diverged")) << none.sentence;
}

TEST(Judge, SaysWhatAnotherTestSetWouldChange) {
  // Agresti & Coull at 200 of 200: 2·√(p(1 − p)/204) with p = 202/204 is 1.4 points.
  const Judged j = judged(contest_of({{"sgd", {1, 1, 1}}}));
  EXPECT_TRUE(
      says(j.sentence, "With another test set of 200 samples, all of this would move by some ±1.4"))
      << j.sentence;
}

/// A contest whose runs say of each test sample, out of 100, whether it is right.
Contest tested_contest(const std::vector<std::pair<std::string, std::vector<int>>>& wrong) {
  std::vector<std::pair<std::string, std::vector<double>>> scores;
  for (const auto& [name, counts] : wrong) {
    scores.emplace_back(name, std::vector<double>());
    for (const int n : counts) scores.back().second.push_back((100 - n) / 100.0);
  }
  Contest c = contest_of(scores);
  for (std::size_t e = 0; e < wrong.size(); ++e)
    for (std::size_t r = 0; r < wrong[e].second.size(); ++r) {
      std::vector<double>& parts = c.contenders[e].tuned.runs[r].parts;
      parts.assign(100, 1);
      std::fill_n(parts.begin(), wrong[e].second[r], 0);
    }
  return c;
}

TEST(Ahead, TakesMoreThanOneTestSample) {
  // One sample of 100 more with every seed: another test set may well say otherwise.
  const Contest one = tested_contest({{"adam", {3, 3, 3}}, {"sgd", {4, 4, 4}}});
  EXPECT_FALSE(ahead(one.contenders[0].tuned, one.contenders[1].tuned, true));
  const Contest ten = tested_contest({{"adam", {3, 3, 3}}, {"sgd", {13, 13, 13}}});
  EXPECT_TRUE(ahead(ten.contenders[0].tuned, ten.contenders[1].tuned, true));
  EXPECT_FALSE(ahead(ten.contenders[1].tuned, ten.contenders[0].tuned, true));
}

TEST(Ahead, ComparesSampleBySample) {
  EXPECT_DOUBLE_EQ(mean_over_error({1, 1, 1}), INFINITY);
  EXPECT_DOUBLE_EQ(mean_over_error({0, 0}), 0);
  EXPECT_DOUBLE_EQ(mean_over_error({5}), 0);
  EXPECT_DOUBLE_EQ(mean_over_error({1, 3}), 2);  // a mean of 2, and √2/√2 for its error
}

TEST(Judge, SaysThatANetworkIsNotWorthIt) {
  Contest c = tested_contest({{"adam", {3, 3, 3}}});
  c.linear = c.contenders[0].tuned;
  EXPECT_TRUE(says(
      judged(c).sentence,
      "A network is not worth it here: logistic regression is not told apart from it (97.0 %)."));
  c.linear = tested_contest({{"linear", {30, 30, 30}}}).contenders[0].tuned;
  EXPECT_TRUE(says(judged(c).sentence, "That is ahead of logistic regression (70.0 %)."));
}

}  // namespace
