#include "judge.h"

#include "console.h"

#include <algorithm>
#include <cmath>

namespace app {

using namespace descent;

namespace {

/// "a", "a and b", "a, b, c and 4 others"
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 5;
  const std::size_t shown = names.size() <= kMost ? names.size() : kMost - 1;
  std::string s;
  for (std::size_t i = 0; i < shown; ++i)
    s += concat(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  return shown == names.size() ? s : concat(s, " and ", names.size() - shown, " others");
}

/// "adam with lr 0.012 and beta1 0.95"
std::string named(const Contender& who) {
  std::string s = who.entrant.name;
  const Settings& settings = who.tuned.settings;
  for (std::size_t i = 0; i < settings.size(); ++i)
    s += concat(i == 0                     ? " with "
                : i + 1 == settings.size() ? " and "
                                           : ", ",
                settings[i].first, " ", format(settings[i].second, "%.6g"));
  return s;
}

Standing standing_of(const Contender& c) {
  Standing s{&c, {}, {}, {}, NAN, NAN, NAN, INFINITY, INFINITY, 0};
  s.validation = quartiles(scores(c.tuned, false));
  s.test = quartiles(scores(c.tuned, true));
  s.at_defaults = quartiles(scores(c.defaults, true));
  s.loss = median_of(c.tuned, [](const Outcome& r) {
    return r.diverged || !std::isfinite(r.validation.loss) ? INFINITY : r.validation.loss;
  });
  s.evaluations = median_of(
      c.tuned, [](const Outcome& r) { return static_cast<double>(r.gradient_evaluations); });
  s.seconds = median_of(c.tuned, [](const Outcome& r) { return r.seconds; });
  return s;
}

/// What it costs to reach a validation score, at the end of the first epoch that does.
void reach(Standing& s, double target) {
  std::vector<double> evaluations, seconds;
  for (const Outcome& r : s.who->tuned.runs) {
    const auto there =
        std::find_if(r.score.begin(), r.score.end(), [&](double x) { return x >= target; });
    const bool reached = there != r.score.end() && !r.diverged;
    const double share = static_cast<double>(there - r.score.begin() + 1) /
                         static_cast<double>(std::max<std::size_t>(1, r.score.size()));
    s.reached += reached;
    evaluations.push_back(reached ? share * static_cast<double>(r.gradient_evaluations) : INFINITY);
    seconds.push_back(reached ? share * r.seconds : INFINITY);
  }
  const auto middle = [](std::vector<double> v) {  // the lower one of an even number
    std::sort(v.begin(), v.end());
    return v.empty() ? INFINITY : v[(v.size() - 1) / 2];
  };
  s.to_target = middle(evaluations);
  s.seconds_to_target = middle(seconds);
}

std::string sentence_of(const Judged& j, const Study& study, const Options& o) {
  const Contest& c = *j.contest;
  if (j.standings.empty()) return "There is nothing to compare.";
  const Standing& first = j.standings[0];
  if (first.who->tuned.runs.empty()) {
    if (first.who->trials.empty())
      return concat("On ", c.name, " nothing can be said yet: the search was ", study.state,
                    " before one whole round of trials. Hint: --resume goes on.");
    return concat("On ", c.name, " nothing was tested yet: it was ", study.state, " after ",
                  first.who->trials.size(), " of ", o.budget,
                  " rounds of trials. Hint: --resume goes on.");
  }
  if (!std::isfinite(first.test.median))
    return concat("On ", c.name, " every run diverged. Hint: standardise the data, or give ",
                  "a lower --lr.");
  const std::size_t n = first.who->tuned.runs.size();
  std::string s =
      concat("On ", c.name, ", use ", named(*first.who), ": ", c.classification ? "" : "R² ",
             score_text(first.test.median, c.classification),
             c.classification ? " % of the test data right" : " on the test data");
  if (n > 1)
    s +=
        concat(" (the middle half of ", n, " seeds: ", score_text(first.test.low, c.classification),
               "–", score_text(first.test.high, c.classification), ")");
  s += ".";
  std::vector<std::string> behind, level, ahead;
  const Standing* cheapest = &first;
  for (std::size_t i = 1; i < j.standings.size(); ++i) {
    const Standing& other = j.standings[i];
    std::vector<std::string>& list = above(first.test, other.test)   ? behind
                                     : above(other.test, first.test) ? ahead
                                                                     : level;
    list.push_back(other.who->entrant.name);
    if (&list == &level && other.to_target < cheapest->to_target) cheapest = &other;
  }
  if (n == 1) return s + " One seed says nothing about how far that is chance.";
  const std::size_t others = j.standings.size() - 1;
  if (others > 0 && behind.size() == others) s += " It is ahead of every other.";
  if (!behind.empty() && behind.size() < others)
    s += concat(" It is ahead of ", listed(behind), ".");
  if (level.size() == others && others > 0)
    s += concat(" These runs do not tell it apart from ",
                others == 1 ? level[0] : concat("any of the other ", others), ".");
  else if (!level.empty())
    s += concat(" These runs do not tell it apart from ", listed(level), ".");
  if (!ahead.empty())
    s += concat(" Though not chosen by validation data, ", listed(ahead),
                ahead.size() == 1 ? " does" : " do", " better on the test.");
  if (cheapest != &first && std::isfinite(cheapest->to_target))
    s += concat(" The cheapest of these is ", named(*cheapest->who), ": ",
                count_text(cheapest->to_target), " gradient evaluations to ", j.baseline,
                "'s validation ", c.classification ? "accuracy" : "R²",
                std::isfinite(first.to_target) ? concat(", where ", first.who->entrant.name,
                                                        " needs ", count_text(first.to_target))
                                               : "",
                ".");
  if (c.classification) {
    // Agresti & Coull's interval (1998), which does not shrink to nothing at 100 %.
    const double n_tested = static_cast<double>(c.tested) + 4,
                 p = (first.test.median * static_cast<double>(c.tested) + 2) / n_tested,
                 error = 2 * std::sqrt(p * (1 - p) / n_tested);
    s += concat(" Another test set of ", c.tested, " samples would move all of this by up to ",
                format(100 * error, "%.1f"), " points.");
  }
  return s;
}

std::vector<std::string> alarms_of(const Judged& j) {
  std::vector<std::string> alarms;
  for (const Standing& outer : j.standings)
    for (const Standing& inner : j.standings)
      if (contains(outer.who->entrant.name, inner.who->entrant.name) &&
          above(inner.validation, outer.validation))
        alarms.push_back(
            concat(outer.who->entrant.name, " ends below ", inner.who->entrant.name,
                   ", though it contains it",
                   outer.who->entrant.name == "adam" ? " (with a large eps)" : "",
                   ": its search was too small or its space too narrow. Hint: a larger --budget"));
  return alarms;
}

std::vector<std::string> notes_of(const Judged& j, const Study& study, const Options& o) {
  std::vector<std::string> notes;
  if (j.standings.empty()) return notes;
  const auto rounds = [&] {
    std::size_t most = 0;
    for (const Standing& s : j.standings) most = std::max(most, s.who->trials.size());
    return most;
  }();
  if (study.state != "complete")
    notes.push_back(concat("Not complete (", study.state, "): ", rounds, " of ", o.budget,
                           " rounds of trials, ", j.standings[0].who->tuned.runs.size(), " of ",
                           o.seeds, " seeds tested. Hint: --resume goes on"));
  std::string edges;
  for (const Standing& s : j.standings)
    if (!s.who->trials.empty())
      if (const std::string at = s.who->entrant.at_edge(s.who->tuned.settings); !at.empty())
        edges += concat(edges.empty() ? "" : "; ", s.who->entrant.name, " (", at, ")");
  if (!edges.empty())
    notes.push_back(
        concat("Near the edge of what was searched, so perhaps better beyond: ", edges));
  return notes;
}

}  // namespace

std::vector<double> scores(const Tried& t, bool test) {
  std::vector<double> all;
  for (const Outcome& r : t.runs)
    all.push_back(r.diverged ? -INFINITY : test ? r.test.accuracy : r.validation.accuracy);
  return all;
}

double median_of(const Tried& t, double (*f)(const Outcome&)) {
  std::vector<double> all;
  for (const Outcome& r : t.runs) all.push_back(f(r));
  return quartiles(all).median;
}

std::string score_text(double x, bool classification) {
  if (!std::isfinite(x)) return "diverged";
  return format(classification ? 100 * x : x, classification ? "%.1f" : "%.3f");
}

std::string count_text(double x) {
  return std::isfinite(x) ? format(x, "%.0f") : std::string("not reached");
}

std::vector<std::vector<double>> costs_of(const std::vector<Judged>& all) {
  std::vector<std::vector<double>> costs(all[0].contest->contenders.size());
  for (std::size_t e = 0; e < costs.size(); ++e)
    for (const Judged& j : all)
      for (const Standing& s : j.standings)
        if (s.who == &j.contest->contenders[e]) costs[e].push_back(s.to_target);
  return costs;
}

Judged judge(const Contest& contest, const Study& study, const Options& o) {
  Judged j{&contest, {}, NAN, "", "", {}, {}};
  for (const Contender& c : contest.contenders) j.standings.push_back(standing_of(c));
  std::stable_sort(j.standings.begin(), j.standings.end(),
                   [](const Standing& a, const Standing& b) {
                     return a.validation.median != b.validation.median
                                ? a.validation.median > b.validation.median
                                : a.loss < b.loss;
                   });
  const std::vector<std::string> standard{"sgd",     "momentum", "nesterov", "adagrad",
                                          "rmsprop", "adam",     "adamw"};
  for (const bool any : {false, true})
    for (const Standing& s : j.standings)
      if (j.baseline.empty() && std::isfinite(s.validation.median) &&
          (any ||
           std::find(standard.begin(), standard.end(), s.who->entrant.name) != standard.end()))
        j.baseline = s.who->entrant.name, j.target = s.validation.median;
  for (Standing& s : j.standings) reach(s, j.target);
  j.sentence = sentence_of(j, study, o);
  j.alarms = alarms_of(j);
  j.notes = notes_of(j, study, o);
  return j;
}

std::string overall(const std::vector<Judged>& all) {
  if (all.size() < 2) return "";
  const auto costs = costs_of(all);
  double most = -1;
  std::vector<std::string> names;
  for (std::size_t e = 0; e < costs.size(); ++e) {
    const double area = profile_area(costs, e, kMostRatio);
    if (area > most) most = area, names.clear();
    if (area == most) names.push_back(all[0].contest->contenders[e].entrant.name);
  }
  if (most <= 0) return "";
  return concat("Over the ", all.size(), " data sets, ", listed(names),
                names.size() == 1 ? " reaches" : " reach",
                " the targets at the least cost: area under the performance profile ",
                format(most, "%.2f"), ".");
}

}  // namespace app
