#include "study/report.h"

#include "page/html.h"
#include "page/svg.h"
#include "run/console.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;

namespace {

/// The cell of a table with median and quartiles: "97.2 (96.9–97.5)".
std::string cell(const Quartiles& q, bool classification) {
  if (std::isnan(q.median)) return "–";
  if (!std::isfinite(q.median)) return "diverged";
  return to_text(score_text(q.median, classification), " (",
                 std::isfinite(q.low) ? score_text(q.low, classification) : "diverged",
                 q.low < 0 ? " to " : "–", score_text(q.high, classification), ")");
}

/// How many runs of the trials diverged: "3/36".
std::string diverged(const Standing& s) {
  std::size_t runs = 0;
  for (const Tried& t : s.who->trials) runs += t.runs.size();
  if (runs == 0) return "–";
  return to_text(s.who->diverged(), "/", runs);
}

/// What a linear model reaches, and always the same answer, as rows of a table with so many
/// columns.
std::vector<std::vector<std::string>> baselines(const Judged& j, std::size_t columns) {
  const Contest& contest = *j.contest;
  const bool c = contest.classification;
  std::vector<std::vector<std::string>> rows;
  if (!contest.linear.runs.empty())
    rows.push_back({name_of_linear(c), cell(quartiles(scores(contest.linear, true)), c),
                    score_text(quartiles(scores(contest.linear, false)).median, c)});
  rows.push_back({c ? "always the commonest class" : "always the mean",
                  c ? score_text(contest.commonest, true) : "0.000"});
  for (auto& row : rows) row.resize(columns, "–");
  return rows;
}

/// The standings as rows of a table, for the terminal and for the page.
std::vector<std::vector<std::string>> standings_of(const Judged& j) {
  const bool c = j.contest->classification;
  std::vector<std::vector<std::string>> rows{
      {"optimizer", c ? "test %" : "test R²", "valid.", "at defaults", "target", "diverged"}};
  for (const Standing& s : j.standings)
    rows.push_back({s.who->entrant.name, cell(s.test, c), score_text(s.validation.median, c),
                    cell(s.at_defaults, c),
                    std::isfinite(s.to_target) ? count_text(s.to_target) : "never", diverged(s)});
  for (const auto& row : baselines(j, 6)) rows.push_back(row);
  return rows;
}

/// What the column "target" of the standings says.
std::string target_text(const Judged& j) {
  return j.baseline.empty() ? ""
                            : to_text("; target: gradient evaluations\nuntil ", j.baseline,
                                      "'s validation score, the best baseline here");
}

std::string settings_table(const Judged& j) {
  std::vector<std::vector<std::string>> rows{{"optimizer", "chosen settings", "searched"}};
  for (const Standing& s : j.standings)
    rows.push_back(
        {s.who->entrant.name, to_string(s.who->tuned.settings), s.who->entrant.space_text()});
  return html_table(rows, 1);
}

/// Reduces the series to at most `most` points, spread evenly over its indices.
Series thinned(const Series& s, std::size_t most = 100) {
  if (s.x.size() <= most) return s;
  Series t = s;
  t.x.clear(), t.y.clear(), t.low.clear(), t.high.clear();
  for (std::size_t k = 0; k < most; ++k) {
    const std::size_t i = k * (s.x.size() - 1) / (most - 1);
    t.x.push_back(s.x[i]), t.y.push_back(s.y[i]);
    t.low.push_back(s.low[i]), t.high.push_back(s.high[i]);
  }
  return t;
}

constexpr std::ptrdiff_t kBands = 3;  // more bands would hide each other

/// The median validation loss after each epoch, with a band from the lower to the upper quartile.
/// The x axis is the cost up to the end of the epoch: seconds, or gradient evaluations.
Series curve(const Contender& who, bool by_time) {
  Series s{who.entrant.name, {}, {}};
  std::size_t epochs = 0;
  for (const Outcome& r : who.tuned.runs) epochs = std::max(epochs, r.loss.size());
  const double cost = median_of(who.tuned, [](const Outcome&r) { return r.seconds; }),
               evaluations = median_of(who.tuned, [](const Outcome&r) {
                 return static_cast<double>(r.gradient_evaluations);
               });
  for (std::size_t e = 0; e < epochs; ++e) {
    std::vector<double> losses;
    for (const Outcome& r : who.tuned.runs)
      if (e < r.loss.size()) losses.push_back(r.loss[e]);
    const Quartiles q = quartiles(losses);
    s.x.push_back((by_time ? cost : evaluations) * static_cast<double>(e + 1) /
                  static_cast<double>(epochs));
    s.y.push_back(q.median), s.low.push_back(q.low), s.high.push_back(q.high);
  }
  return thinned(s);
}

std::string curves(const Judged& j, bool by_time) {
  Chart chart{j.standings.size() > kBands ? "Validation loss; middle half of the first three"
                                          : "Validation loss",
              by_time ? "seconds" : "gradient evaluations",
              j.contest->classification ? "cross-entropy" : "mean squared error",
              false,
              true,
              {}};
  for (const Contender& who : j.contest->contenders) {
    chart.series.push_back(curve(who, by_time));
    const auto place = std::find_if(j.standings.begin(), j.standings.end(),
                                    [&](const Standing& s) { return s.who == &who; });
    if (place - j.standings.begin() >= kBands)
      chart.series.back().low.clear(), chart.series.back().high.clear();
  }
  return svg(chart);
}

std::string ranges(const Judged& j) {
  const bool percent = j.contest->classification;
  Ranges r{percent ? "Test score, middle half over seeds"
                   : "Test score, middle half over seeds; within 1 of the best",
           percent ? "accuracy, %" : "R²",
           {},
           {{"tuned", {}}, {"at defaults", {}}}};
  double best = -INFINITY;
  for (const Standing& s : j.standings) best = std::max(best, s.test.median);
  for (const Standing& s : j.standings) {
    r.rows.push_back(s.who->entrant.name);
    const auto mark = [&](const Quartiles& q) {
      const double scale = percent ? 100 : 1;
      // R² can be very low. A mark far below the others would squeeze all other marks together.
      const bool far = !percent && q.low < best - 1;
      return far ? Ranges::Mark{NAN, NAN, NAN}
                 : Ranges::Mark{scale * q.low, scale * q.median, scale * q.high};
    };
    r.series[0].second.push_back(mark(s.test));
    r.series[1].second.push_back(mark(s.at_defaults));
  }
  return svg(r);
}

/// How the score depends on the learning rate: a small chart for each optimizer, all with the same
/// axes.
std::string sensitivity(const Judged& j) {
  const double scale = j.contest->classification ? 100 : 1;
  double best = -INFINITY, low = INFINITY, high = 0;
  const auto rate = [](const Settings& settings) {
    const double* lr = rate_of(settings);
    return lr == nullptr ? NAN : *lr;
  };
  const auto score = [&](const Tried& t) { return scale * quartiles(scores(t, false)).median; };
  std::vector<Chart> charts;
  for (const Contender& who : j.contest->contenders) {
    Series trials{"trials", {}, {}};
    trials.points = true;
    Series sweep{"chosen settings at other rates", {}, {}};
    for (const Tried& t : who.trials) {
      trials.x.push_back(rate(t.settings)), trials.y.push_back(score(t));
      best = std::max(best, trials.y.back());
    }
    std::vector<std::pair<double, double>> line;
    for (const Tried& t : who.sweep) {
      line.emplace_back(rate(t.settings), score(t));
      best = std::max(best, line.back().second);
    }
    if (!who.trials.empty() && !line.empty())
      line.emplace_back(rate(who.trials[who.best].settings), score(who.trials[who.best]));
    std::sort(line.begin(), line.end());
    for (const auto& [x, y] : line) sweep.x.push_back(x), sweep.y.push_back(y);
    for (const std::vector<double>& xs : {trials.x, sweep.x})
      for (const double x : xs)
        if (std::isfinite(x)) low = std::min(low, x), high = std::max(high, x);
    Chart chart{who.entrant.name, "learning rate", scale == 100 ? "accuracy, %" : "R²", true, false,
                {sweep, trials}};
    chart.series[1].colour = 1;
    charts.push_back(chart);
  }
  if (!(low < high) || !std::isfinite(best)) return "";
  std::string s;
  for (Chart& chart : charts) {
    if (chart.series[0].x.empty() && chart.series[1].x.empty()) continue;
    chart.x_range = Interval{low / 1.3, high * 1.3};
    chart.y_range = Interval{best - 0.4 * scale, best + 0.03 * scale};
    s += svg(chart);
  }
  return to_text(
      "<h3>What the rate does</h3>\n<p>Median score on validation data over ", kTuningSeeds,
      " seeds: each trial, and the chosen settings at rates from a tenth to ten times the "
      "chosen one. What is lower than the frame, or diverged, is not drawn.</p>\n<div "
      "class=\"charts small\">\n",
      s, "</div>\n");
}

std::string cost_table(const Judged& j) {
  std::vector<std::vector<std::string>> rows{
      {"optimizer", "gradient evaluations", "to the target", "seeds that reach it"}};
  for (const Standing& s : j.standings)
    rows.push_back({s.who->entrant.name, format(s.evaluations, "%.0f"), count_text(s.to_target),
                    to_text(s.reached, " of ", s.who->tuned.runs.size())});
  return html_table(rows);
}

std::string time_table(const Judged& j) {
  std::vector<std::vector<std::string>> rows{{"optimizer", "seconds", "to the target"}};
  for (const Standing& s : j.standings)
    rows.push_back(
        {s.who->entrant.name, format(s.seconds, "%.3g"),
         std::isfinite(s.seconds_to_target) ? format(s.seconds_to_target, "%.3g") : "not reached"});
  return html_table(rows);
}

std::string paragraphs(const char* kind, const std::vector<std::string>& texts) {
  std::string s;
  for (const std::string& text : texts)
    s += to_text("<p class=\"", kind, "\">", escaped(text), ".</p>\n");
  return s;
}

std::string section_of(const Judged& j) {
  const Contest& c = *j.contest;
  std::string s = to_text("<h2>", escaped(c.name), "</h2>\n<p>", c.samples, " samples with ",
                          counted(c.features, "feature"), ", ", c.tested, " of them for the test; ",
                          c.classification ? to_text("classification in ", c.classes, " classes")
                                           : std::string("regression"),
                          ".</p>\n", paragraphs("alarm", j.alarms), paragraphs("note", j.notes));
  if (j.standings.empty() || j.standings[0].who->tuned.runs.empty()) return s + sensitivity(j);
  s += html_table(standings_of(j));
  s += to_text("<div class=\"charts\">\n", ranges(j), curves(j, false), "</div>\n",
               settings_table(j));
  s += sensitivity(j);
  if (j.baseline.empty()) return s;
  s += to_text(
      "<h3>Cost</h3>\n<p>The target is ", score_text(j.target, c.classification),
      c.classification ? " % accuracy" : " R²", " on validation data, the median of ",
      escaped(j.baseline),
      ", the best baseline here. Medians over seeds, the lower of two in the middle; a target "
      "counts as reached at the end of an epoch, and a run's cost as spread evenly over its "
      "epochs.</p>\n",
      cost_table(j));
  s += to_text(
      "<h3>Time</h3>\n<p>Seconds of training, measured while other runs went on beside; "
      "they differ from run to run, all else does not.</p>\n",
      time_table(j), "<div class=\"charts\">\n", curves(j, true), "</div>\n<!-- end of time -->\n");
  return s;
}

std::string profiles(const std::vector<Judged>& all) {
  if (all.size() < 2) return "";
  const auto costs = costs_of(all);
  const auto& contenders = all[0].contest->contenders;
  Chart chart{"Performance profiles",
              "gradient evaluations to the target, over those of the cheapest",
              "share of the data sets",
              false,
              false,
              {}};
  chart.y_range = Interval{-0.03, 1.03};
  std::vector<std::pair<double, std::string>> areas;
  for (std::size_t e = 0; e < contenders.size(); ++e) {
    Series line{contenders[e].entrant.name, {}, {}};
    for (int i = 0; i <= 120; ++i) {
      const double ratio = 1 + (kMostRatio - 1) * i / 120.0;
      line.x.push_back(ratio), line.y.push_back(profile(costs, e, ratio));
    }
    chart.series.push_back(line);
    areas.emplace_back(-profile_area(costs, e, kMostRatio), contenders[e].entrant.name);
  }
  std::sort(areas.begin(), areas.end());
  std::vector<std::vector<std::string>> rows{{"optimizer", "area under its profile"}};
  for (const auto& [area, name] : areas) rows.push_back({name, format(-area, "%.3f")});
  return to_text(
      "<h2>Over all data sets</h2>\n<p>The share of data sets on which an optimizer "
      "reaches the target at a cost of at most so many times that of the cheapest; the "
      "area under the curve is 1 for one that is cheapest everywhere.</p>\n<div "
      "class=\"charts\">\n",
      svg(chart), html_table(rows), "</div>\n");
}

std::string method(const Study& study, const Options& o) {
  std::string s = to_text(
      "<h2>How this was done</h2>\n<p>",
      study.state == "complete" ? ""
                                : to_text("This is what was planned; it was ", study.state,
                                          " after ", study.runs, " runs. "),
      format(100 * o.validation, "%.3g %"),
      " of the data was held out for the "
      "test. Each seed splits the rest into training and validation data (",
      format(100 * o.validation, "%.3g %"),
      "), and sets initial weights and the order of batches, the same for every optimizer. Each "
      "optimizer had ",
      counted(o.budget, "trial"),
      ": its defaults, and points spread evenly in logarithm over its search space (one, where "
      "there "
      "is nothing to search). Trials ran "
      "with ",
      kTuningSeeds,
      " seeds, and the highest mean score on validation data was chosen, the lower loss among "
      "equals. What was chosen, and the defaults, ran again with ",
      counted(o.seeds, "fresh seed"),
      ", and only then on the test data. Optimizers are in the order of their validation scores. "
      "One is called ahead of another only if the middle halves of their test scores are apart, "
      "its score was higher with every seed, and it is ahead by twice the standard error of the "
      "difference over the test samples. The linear model is trained by L-BFGS. While training, "
      "and for the target, an optimizer "
      "that averages weights is scored by its average.</p>\n");
  s += to_text("<p>To repeat it:</p>\n<pre>", escaped(repeating_command(o, true)), "</pre>\n");
  std::vector<std::vector<std::string>> settings{{"setting", "value"}};
  for (const auto& [name, value, is_text, parts] : listing(o, true))
    if (!value.empty()) settings.push_back({name, value});
  return s + html_table(settings);
}

}  // namespace

std::string terminal_of(const Judged& j) {
  std::vector<std::vector<std::string>> settings{{"optimizer", "seconds", "chosen settings"}};
  for (const Standing& s : j.standings)
    settings.push_back(
        {s.who->entrant.name, format(s.seconds, "%.3g"), to_string(s.who->chosen())});
  return to_text("Medians over ", j.standings[0].who->tuned.runs.size(),
                 " seeds (middle half), in the order of validation scores", target_text(j), "\n\n",
                 table(standings_of(j)), "\n", table(settings, 2));
}

std::string html_of(const std::vector<Judged>& all, const Study& study, const Options& o) {
  std::vector<std::string> contests;
  std::string answers, sections;
  for (const Judged& j : all) {
    contests.push_back(j.contest->name);
    answers += to_text("<p class=\"verdict\">", escaped(j.sentence), "</p>\n");
    sections += section_of(j);
  }
  if (const std::string text = overall(all); !text.empty())
    answers += to_text("<p class=\"verdict\">", escaped(text), "</p>\n");
  const std::string title = to_text("Optimizers compared on ", joined(contests));
  return html_page(title, to_text("<h1>", escaped(title), "</h1>\n", answers, sections,
                                  profiles(all), method(study, o)));
}

std::string csv_of(const Study& study) {
  std::string s =
      "data,phase,optimizer,settings,run,diverged,validation_loss,validation_score,test_loss,"
      "test_score,gradient_evaluations,seconds\n";
  const auto add = [&](const Contest& contest, const Contender& c, const char* phase,
                       const Tried& t) {
    for (std::size_t i = 0; i < t.runs.size(); ++i) {
      const Outcome& r = t.runs[i];
      const bool tested = r.tested && !r.diverged;
      const auto value = [](bool there, double x) { return there ? to_text(x) : std::string(); };
      const auto quoted = [](const std::string& text) {  // a name may hold commas
        std::string q = "\"";
        for (const char ch : text) q += ch == '"' ? std::string("\"\"") : std::string(1, ch);
        return q + "\"";
      };
      s += to_text(quoted(contest.name), ",", phase, ",", quoted(c.entrant.name), ",",
                   to_string(t.settings), ",", i + 1, ",", r.diverged ? 1 : 0, ",",
                   value(!r.diverged, r.validation.loss), ",",
                   value(!r.diverged, r.validation.accuracy), ",", value(tested, r.test.loss), ",",
                   value(tested, r.test.accuracy), ",", r.gradient_evaluations, ",",
                   format(r.seconds, "%.6f"), "\n");
    }
  };
  for (const Contest& contest : study.contests)
    for (const Contender& c : contest.contenders) {
      for (const Tried& t : c.trials) add(contest, c, "trial", t);
      add(contest, c, "tuned", c.tuned);
      add(contest, c, "defaults", c.defaults);
      for (const Tried& t : c.sweep) add(contest, c, "sweep", t);
    }
  return s;
}

nlohmann::ordered_json json_of(const std::vector<Judged>& all, const Study& study,
                               const Options& o) {
  using Json = nlohmann::ordered_json;
  const auto three = [](const Quartiles& q) { return Json{q.low, q.median, q.high}; };
  Json json{{"command", repeating_command(o, true)}, {"seconds", study.seconds}};
  for (const Judged& j : all) {
    Json contest{{"data", j.contest->name}, {"answer", j.sentence}, {"alarms", j.alarms},
                 {"notes", j.notes},        {"target", j.target},   {"target_of", j.baseline}};
    for (const Standing& s : j.standings)
      contest["optimizers"].push_back({{"name", s.who->entrant.name},
                                       {"settings", s.who->tuned.settings},
                                       {"searched", s.who->entrant.space_text()},
                                       {"test_quartiles", three(s.test)},
                                       {"validation_quartiles", three(s.validation)},
                                       {"test_quartiles_at_defaults", three(s.at_defaults)},
                                       {"gradient_evaluations", s.evaluations},
                                       {"gradient_evaluations_to_target", s.to_target},
                                       {"seconds", s.seconds},
                                       {"seconds_to_target", s.seconds_to_target}});
    json["contests"].push_back(std::move(contest));
  }
  return json;
}

}  // namespace app
