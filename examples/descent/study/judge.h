// What is concluded from the runs of a comparison: who is where, whether that is more than chance,
// at what cost, and what should make a reader suspicious.
#pragma once

#include "study/statistics.h"
#include "study/study.h"

namespace app {

/// What is concluded of one contender: scores are shares of 1, or R².
struct Standing {
  const Contender* who;
  Quartiles validation, test, at_defaults;  // over seeds
  double loss;                              // median validation loss, which decides ties
  double evaluations, seconds;              // median cost of a run
  double to_target, seconds_to_target;      // median; infinite when less than half do
  std::size_t reached;                      // seeds that do
};

/// One contest, judged: best first, by validation data.
struct Judged {
  const Contest* contest;
  std::vector<Standing> standings;
  double target;                    // validation score of the best standard baseline
  std::string baseline;             // which that is; "" where all diverged
  std::string sentence;             // the answer
  std::vector<std::string> alarms;  // what should not be
  std::vector<std::string> notes;   // what to know
};

Judged judge(const Contest& contest, const Study& study, const Options& o);

/// Over several contests: who reaches targets at the least cost. "" for one.
std::string overall(const std::vector<Judged>& all);
/// Costs to the target; one list a contender, one entry a contest.
std::vector<std::vector<double>> costs_of(const std::vector<Judged>& all);
inline constexpr double kMostRatio = 4;  // of the performance profiles

/// More than chance: the middle halves of the scores are apart, and every seed says the same.
/// Equals come out so, one way or the other, less than once in 2^(seeds − 1) times.
bool ahead(const Tried& a, const Tried& b, bool test);
/// The score of each run, −∞ for one that diverged.
std::vector<double> scores(const Tried& t, bool test);
double median_of(const Tried& t, double (*f)(const Outcome&));
/// "97.2" in per cent, "0.912" for R², "diverged".
std::string score_text(double score, bool classification);
/// "216", "not reached".
std::string count_text(double count);

}  // namespace app
