#include "study/judge.h"

#include "run/text.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace app {

using namespace descent;

namespace {

/// A list for people: "a", "a and b", "a, b, c and 4 others".
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 5;
  const std::size_t shown = names.size() <= kMost ? names.size() : kMost - 1;
  std::string s;
  for (std::size_t i = 0; i < shown; ++i)
    s += to_text(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  return shown == names.size() ? s : to_text(s, " and ", names.size() - shown, " others");
}

/// A contender with its settings: "adam with lr 0.012 and beta1 0.95".
std::string named(const Contender& who) {
  std::string s = who.entrant.name;
  const Settings settings = who.chosen();
  for (std::size_t i = 0; i < settings.size(); ++i)
    s += to_text(i == 0                     ? " with "
                 : i + 1 == settings.size() ? " and "
                                            : ", ",
                 settings[i].first, " ", format(settings[i].second, "%.6g"));
  return s;
}

/// How many rounds of trials the search completed.
std::size_t rounds_of(const Judged& j) {
  std::size_t most = 0;
  for (const Standing& s : j.standings) most = std::max(most, s.who->trials.size());
  return most;
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

/// Finds the cost of reaching the validation score `target`. A run reaches the target at the end of
/// the first epoch whose score is at least `target`.
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
  const auto middle = [](std::vector<double> v) {  // the lower of two middle values
    std::sort(v.begin(), v.end());
    return v.empty() ? INFINITY : v[(v.size() - 1) / 2];
  };
  s.to_target = middle(evaluations);
  s.seconds_to_target = middle(seconds);
}

/// The answer in plain words: the best optimizer, its score, and how sure that is.
std::string sentence_of(const Judged& j, const Study& study, const Options& o) {
  const Contest& c = *j.contest;
  if (j.standings.empty()) return "There is nothing to compare.";
  const Standing& first = j.standings[0];
  if (first.who->tuned.runs.empty()) {
    if (first.who->trials.empty())
      return to_text("On ", c.name, " nothing can be said yet: the search was ", study.state,
                     " before one whole round of trials. Hint: --resume goes on.");
    return to_text("On ", c.name, " nothing was tested yet: it was ", study.state, " after ",
                   first.who->trials.size(), " of ", o.budget,
                   " rounds of trials. Hint: --resume goes on.");
  }
  if (!std::isfinite(first.test.median))
    return to_text("On ", c.name, " every run diverged. Hint: standardise the data, or give ",
                   "a lower --lr.");
  const std::size_t n = first.who->tuned.runs.size();
  std::string s =
      to_text("On ", c.name, ", use ", named(*first.who), ": ", c.classification ? "" : "R² ",
              score_text(first.test.median, c.classification),
              c.classification ? " % of the test data right" : " on the test data");
  if (n > 1)
    s += to_text(
        " (the middle half of ", n, " seeds: ", score_text(first.test.low, c.classification),
        first.test.low < 0 ? " to " : "–", score_text(first.test.high, c.classification), ")");
  s += ".";
  if (study.state != "complete") {
    const std::size_t rounds = rounds_of(j);
    if (rounds == 0)
      s += " Nothing was searched yet: these are the settings by default.";
    else if (!o.search_on && rounds < static_cast<std::size_t>(o.budget))
      s += to_text(" Only ", rounds, " of ", o.budget, " rounds of trials were done.");
  }
  if (c.classification ? first.test.median <= c.commonest : first.test.median <= 0)
    s += c.classification ? to_text(" That is no better than always to say the commonest class (",
                                    score_text(c.commonest, true), " %).")
                          : std::string(" That is no better than always to say the mean.");
  if (!c.linear.runs.empty()) {
    const std::string linear = name_of_linear(c.classification),
                      score = to_text(
                          c.classification ? "" : "R² ",
                          score_text(quartiles(scores(c.linear, true)).median, c.classification),
                          c.classification ? " %" : "");
    if (ahead(first.who->tuned, c.linear, true))
      s += to_text(" That is ahead of ", linear, " (", score, ").");
    else
      s += to_text(" A network is not worth it here: ", linear,
                   ahead(c.linear, first.who->tuned, true) ? " does better ("
                                                           : " is not told apart from it (",
                   score, ").");
  }
  if (n == 1) return s + " One seed says nothing about how far that is chance.";
  std::vector<std::string> behind, level, before;
  const Standing* cheapest = &first;
  for (std::size_t i = 1; i < j.standings.size(); ++i) {
    const Standing& other = j.standings[i];
    std::vector<std::string>& list = ahead(first.who->tuned, other.who->tuned, true)   ? behind
                                     : ahead(other.who->tuned, first.who->tuned, true) ? before
                                                                                       : level;
    list.push_back(other.who->entrant.name);
    if (&list != &level) continue;
    const auto cost =
        [](const Standing& x) {  // at equal cost the shorter name wins: fewer wrappers
          return std::pair(x.to_target, x.who->entrant.name.size());
        };
    if (other.to_target < INFINITY && cost(other) < cost(*cheapest)) cheapest = &other;
  }
  const std::size_t others = j.standings.size() - 1;
  if (others > 1 && behind.size() == others)
    s += " It is ahead of every other.";
  else if (!behind.empty())
    s += to_text(" It is ahead of ", listed(behind), ".");
  if (level.size() == others && others > 0)
    s += to_text(" These runs do not tell it apart from ",
                 others == 1 ? level[0] : to_text("any of the other ", others), ".");
  else if (!level.empty())
    s += to_text(" These runs do not tell it apart from ", listed(level), ".");
  if (!before.empty())
    s += to_text(" Though not chosen by validation data, ", listed(before),
                 before.size() == 1 ? " does" : " do", " better on the test.");
  if (n < 5 && (!behind.empty() || !before.empty()))
    s += to_text(" With ", n,
                 " seeds, chance alone puts one of two equals ahead in up to one case of ",
                 1 << (n - 1), ": more --seeds tell more.");
  if (cheapest->to_target < first.to_target)
    s += to_text(" The cheapest of these is ", named(*cheapest->who), ": ",
                 counted(static_cast<std::int64_t>(cheapest->to_target), "gradient evaluation"),
                 " to ", j.baseline, "'s validation ", c.classification ? "accuracy" : "R²",
                 std::isfinite(first.to_target) ? to_text(", where ", first.who->entrant.name,
                                                          " needs ", count_text(first.to_target))
                                                : "",
                 ".");
  if (c.classification) {
    // Agresti & Coull's interval (1998). At an accuracy of 100 % the interval still has a width.
    const double n_tested = static_cast<double>(c.tested) + 4,
                 p = (first.test.median * static_cast<double>(c.tested) + 2) / n_tested,
                 error = 2 * std::sqrt(p * (1 - p) / n_tested);
    s += to_text(" With another test set of ", c.tested,
                 " samples, all of this would move by some ±", format(100 * error, "%.1f"),
                 " points.");
  } else if (c.tested < 30) {
    s += to_text(" The test has ", counted(c.tested, "sample"),
                 " only: another one may say otherwise.");
  }
  return s;
}

/// An alarm for each optimizer that ends below an optimizer that it contains; see contains().
std::vector<std::string> alarms_of(const Judged& j) {
  std::vector<std::string> alarms;
  for (const Standing& outer : j.standings)
    for (const Standing& inner : j.standings) {
      const std::string &name = outer.who->entrant.name, &within = inner.who->entrant.name;
      if (inner.who->tuned.runs.size() < 2 || !contains(name, within) ||
          !ahead(inner.who->tuned, outer.who->tuned, false))
        continue;
      alarms.push_back(to_text(name, " ends below ", within, ", though it contains it",
                               name == "adam"
                                   ? " at a large eps, which is not searched. Hint: take "
                                     "adam(eps=0.1) along"
                                   : ": its search was too small or its space too narrow. "
                                     "Hint: a larger --budget"));
    }
  return alarms;
}

/// Notes for the reader: which parts of the comparison are not complete, and which settings might
/// be better outside of the searched box.
std::vector<std::string> notes_of(const Judged& j, const Study& study, const Options& o) {
  std::vector<std::string> notes;
  if (j.standings.empty()) return notes;
  if (o.search_on)
    notes.push_back(to_text("The time was enough for ", rounds_of(j), " rounds of trials"));
  if (study.state != "complete")
    notes.push_back(to_text(
        "Not complete (", study.state, "): ", rounds_of(j), " of ", o.budget, " rounds of trials, ",
        j.standings[0].who->tuned.runs.size(), " of ", o.seeds, " seeds tested",
        j.standings[0].who->tuned.runs.size() == static_cast<std::size_t>(o.seeds)
            ? ", and not all other rates"
            : "",
        ". Hint: --resume goes on"));
  std::vector<std::string> edges, beyond;
  for (const Standing& s : j.standings)
    if (!s.who->trials.empty())
      if (const std::string at = s.who->entrant.at_edge(s.who->tuned.settings); !at.empty())
        edges.push_back(to_text(s.who->entrant.name, " (", at, ")"));
  for (const Standing& s : j.standings) {
    const Tried* best = s.who->trials.empty() ? nullptr : &s.who->trials[s.who->best];
    for (const Tried& other : s.who->sweep)
      if (best != nullptr && better(other, *best)) best = &other;
    if (best == nullptr || best == &s.who->trials[s.who->best]) continue;
    if (const double* lr = rate_of(best->settings))
      beyond.push_back(to_text(s.who->entrant.name, " at ", format(*lr, "%.6g")));
  }
  if (!beyond.empty())
    notes.push_back(to_text(
        "Other rates did better still on validation data, after the choice: ", joined(beyond, "; "),
        o.search_on ? ". Hint: a longer --time-limit would find them"
                    : ". Hint: a larger --budget would find them"));
  if (!edges.empty())
    notes.push_back(to_text("Near the edge of what was searched, so perhaps better beyond: ",
                            joined(edges, "; ")));
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

namespace {
/// How far a is ahead of b in each part of the test, on average over the seeds. Empty if a run has
/// no parts, as one that diverged.
std::vector<double> differences(const Tried& a, const Tried& b) {
  std::vector<double> d;
  for (std::size_t i = 0; i < a.runs.size(); ++i) {
    const std::vector<double>&of_a = a.runs[i].parts, &of_b = b.runs[i].parts;
    if (of_a.empty() || of_a.size() != of_b.size()) return {};
    d.resize(of_a.size());
    for (std::size_t p = 0; p < d.size(); ++p) d[p] += of_a[p] - of_b[p];
  }
  return d;
}
}  // namespace

bool ahead(const Tried& a, const Tried& b, bool test) {
  const std::vector<double> of_a = scores(a, test), of_b = scores(b, test);
  if (of_a.size() != of_b.size() || !above(quartiles(of_a), quartiles(of_b)) ||
      !std::equal(of_a.begin(), of_a.end(), of_b.begin(), std::greater<>()))
    return false;
  const std::vector<double> d = test ? differences(a, b) : std::vector<double>();
  return d.empty() || mean_over_error(d) > 2;
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
  return to_text("Over the ", all.size(), " data sets, ", listed(names),
                 names.size() == 1 ? " reaches" : " reach",
                 " the targets at the least cost: area under the performance profile ",
                 format(most, "%.2f"), ".");
}

}  // namespace app
