// The conclusions from the runs of a comparison. A judgement says in which order the optimizers end
// and whether the order is more than chance. It also says what each optimizer costs, and which
// results should make a reader suspicious.
#pragma once

#include "study/statistics.h"
#include "study/study.h"

namespace app {

/// The conclusions about one contender. A score is an accuracy from 0 to 1, or R² for a regression.
struct Standing {
  const Contender* who;
  Quartiles validation, test, at_defaults;  // scores over the seeds
  double loss;                              // median validation loss; decides between equal scores
  double evaluations, seconds;              // median cost of a run
  // Median cost until a run reaches the target; infinite if fewer than half of the runs reach it.
  double to_target, seconds_to_target;
  std::size_t reached;  // how many seeds reach the target
};

/// The judgement of one contest. Standings are sorted by validation score, best first.
struct Judged {
  const Contest* contest;
  std::vector<Standing> standings;
  double target;         // validation score of the baseline
  std::string baseline;  // the best of the textbook optimizers; "" if every optimizer diverged
  std::string sentence;  // the answer in plain words
  std::vector<std::string> alarms;  // results that contradict what is known of the optimizers
  std::vector<std::string> notes;   // what a reader should know before trusting the answer
};

/// Judges one contest. `contest` must outlive the result.
Judged judge(const Contest& contest, const Study& study, const Options& o);

/// A sentence on which optimizer reaches the targets of several contests at the least cost.
/// Returns "" if there are fewer than two contests.
std::string overall(const std::vector<Judged>& all);
/// Gradient evaluations until the target, as costs[contender][contest].
std::vector<std::vector<double>> costs_of(const std::vector<Judged>& all);
inline constexpr double kMostRatio = 4;  // where performance profiles end

/// True if a beats b by more than chance. The middle half of a's scores must lie above the middle
/// half of b's scores, and a must have the higher score with every seed. On test data, a must also
/// be ahead by twice the standard error of the difference over the parts of the test, see
/// Outcome::parts: another test set of this size would hardly say otherwise. If a and b are equally
/// good, one of the two beats the other in fewer than one of 2^(seeds − 1) comparisons.
bool ahead(const Tried& a, const Tried& b, bool test);
/// The score of each run on test or validation data; −∞ for a run that diverged.
std::vector<double> scores(const Tried& t, bool test);
/// The median of f over the runs.
double median_of(const Tried& t, double (*f)(const Outcome&));
/// A score for people: "97.2" for an accuracy in per cent, "0.912" for R², or "diverged".
std::string score_text(double score, bool classification);
/// A cost for people: "216", or "not reached" for an infinite cost.
std::string count_text(double count);

}  // namespace app
