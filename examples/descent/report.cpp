#include "report.h"

#include "console.h"
#include "html.h"
#include "svg.h"

#include <algorithm>

namespace app {

using namespace descent;

namespace {

struct Summary {
  double median = NAN, low = NAN, high = NAN;
};
Summary summary(std::vector<double> v) {
  std::erase_if(v, [](double x) { return !std::isfinite(x); });
  if (v.empty()) return {};
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return {n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v.front(), v.back()};
}

std::vector<double> collect(const std::vector<Run>& runs, double (*f)(const Run&)) {
  std::vector<double> v;
  for (const Run& r : runs) v.push_back(r.diverged ? NAN : f(r));
  return v;
}

std::string cell(const Summary& s, const char* pattern, double scale = 1) {
  if (!std::isfinite(s.median)) return "diverged";
  return concat(format(s.median * scale, pattern), " (", format(s.low * scale, pattern), "–",
                format(s.high * scale, pattern), ")");
}

}  // namespace

std::vector<std::vector<std::string>> table_of(const std::vector<Result>& results,
                                               bool classification) {
  const std::string measure = classification ? "accuracy %" : "R²";
  const double scale = classification ? 100 : 1;
  const char* pattern = classification ? "%.1f" : "%.3f";
  const auto loss = [](const Result& r) {
    const double x =
        summary(collect(r.final, [](const Run& run) { return run.validation.loss; })).median;
    return std::isfinite(x) ? format(x, "%.3g") : std::string("-");
  };
  const auto seconds = [](const Result& r) {
    const double x = summary(collect(r.final, [](const Run& run) { return run.seconds; })).median;
    return std::isfinite(x) ? format(x, "%.3g") : std::string("-");
  };
  std::vector<std::vector<std::string>> rows{{"optimizer", "validation " + measure,
                                              "test " + measure, "test loss", "gradients",
                                              "seconds", "best lr", "diverged"}};
  for (const Result& r : results)
    rows.push_back(
        {r.entrant.name,
         cell(summary(collect(r.tuned, [](const Run& x) { return x.validation.accuracy; })),
              pattern, scale),
         cell(summary(collect(r.final, [](const Run& x) { return x.validation.accuracy; })),
              pattern, scale),
         loss(r), concat(r.final.empty() ? 0 : r.final[0].gradient_evaluations), seconds(r),
         std::isfinite(r.lr) ? format(r.lr, "%.3g") : "none", concat(r.diverged, "/", r.runs)});
  return rows;
}

std::string edge_note(const std::vector<Result>& results) {
  std::string names;
  for (const Result& r : results)
    if (r.entrant.rates.size() > 1 &&
        (r.lr == r.entrant.rates.front() || r.lr == r.entrant.rates.back()))
      names += (names.empty() ? "" : ", ") + r.entrant.name;
  return names.empty() ? ""
                       : "At the edge of the rates tried, so perhaps better beyond: " + names + ".";
}

std::string html_of(const Options& o, const std::vector<Result>& results, const data::Dataset& all,
                    const std::string& verdict) {
  const bool classification = all.is_classification();
  std::string s = concat("<h1>Optimizers compared on ", escaped(all.name),
                         "</h1>\n<p class=\"verdict\">", escaped(verdict),
                         "</p>\n<h2>Results</h2>\n", html_table(table_of(results, classification)));
  Chart loss{"Training loss", "epoch", "loss", false, true, {}},
      score{classification ? "Test accuracy" : "Test R²",
            "epoch",
            classification ? "accuracy" : "R²",
            false,
            false,
            {}};
  Chart cost{"Training loss by cost", "gradient evaluations", "loss", false, true, {}};
  for (const Result& r : results) {
    Series a{r.entrant.name, {}, {}}, b = a, c = a;
    const std::size_t epochs = static_cast<std::size_t>(o.epochs);
    for (std::size_t e = 0; e < epochs; ++e) {
      std::vector<double> losses, scores;
      double evaluations = 0;
      for (const Run& run : r.final)
        if (e < run.epochs.size()) {
          losses.push_back(run.epochs[e].train.loss);
          scores.push_back(run.epochs[e].validation.accuracy);
          evaluations = static_cast<double>(run.gradient_evaluations) * static_cast<double>(e + 1) /
                        static_cast<double>(run.epochs.size());
        }
      const double x = static_cast<double>(e + 1);
      a.x.push_back(x), a.y.push_back(summary(losses).median);
      b.x.push_back(x), b.y.push_back(summary(scores).median);
      c.x.push_back(evaluations), c.y.push_back(summary(losses).median);
    }
    if (r.final.empty()) a.name = b.name = c.name = r.entrant.name + " (diverged)";
    loss.series.push_back(a), score.series.push_back(b), cost.series.push_back(c);
  }
  s += concat(
      "<h2>Learning curves</h2>\n<p>At each one's best learning rate; medians over "
      "seeds.</p>\n<div class=\"charts\">\n",
      svg(loss), svg(score), svg(cost), "</div>\n");
  s += "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : listing(o, true))
    if (!value.empty()) s += concat("<tr><td>", name, "</td><td>", escaped(value), "</td></tr>\n");
  s += concat("<tr><td>samples</td><td>", all.size(), "</td></tr>\n<tr><td>features</td><td>",
              all.num_features(), "</td></tr>\n");
  return html_page("Optimizers compared", s + "</table></div>\n");
}

std::string csv_of(const std::vector<Result>& results) {
  std::string s =
      "optimizer,seed,lr,diverged,test_loss,test_accuracy,gradient_evaluations,seconds\n";
  for (const Result& r : results)
    for (std::size_t i = 0; i < r.final.size(); ++i) {
      const Run& run = r.final[i];
      s += concat(r.entrant.name, ",", i + 1, ",", r.lr, ",", run.diverged ? 1 : 0, ",",
                  run.validation.loss, ",", run.validation.accuracy, ",", run.gradient_evaluations,
                  ",", format(run.seconds, "%.6f"), "\n");
    }
  return s;
}

std::string verdict_of(std::vector<Result> results, bool classification, int seeds) {
  const auto of = [](const Result& r) {
    return summary(collect(r.final, [](const Run& x) { return x.validation.accuracy; }));
  };
  std::erase_if(results, [&](const Result& r) { return !std::isfinite(of(r).median); });
  if (results.empty()) return "Every run diverged.";
  double top = -INFINITY;
  for (const Result& r : results) top = std::max(top, of(r).median);
  std::string names;
  double low = INFINITY;
  std::size_t first = 0, overlapping = 0;
  for (const Result& r : results)
    if (of(r).median == top) {
      ++first;
      low = std::min(low, of(r).low);
      names +=
          concat(names.empty() ? "" : ", ", r.entrant.name, " (lr ", format(r.lr, "%.3g"), ")");
    }
  for (const Result& r : results) overlapping += of(r).median != top && of(r).high >= low;
  std::string s =
      concat("Highest median test ", classification ? "accuracy" : "R²", ", ",
             format(top * (classification ? 100 : 1), classification ? "%.1f %%" : "%.3f"), ": ",
             names, ".");
  const std::size_t others = results.size() - first;
  if (others == 0) return s;
  if (seeds == 1) return s + " One seed says nothing about how far that is chance.";
  if (overlapping == 0) return s + " The lowest seed is above the highest of every other.";
  return concat(
      s, " Over the seeds the range overlaps with that of ",
      overlapping == others ? "every other" : concat(overlapping, " of the ", others, " others"),
      ", so from these it is not told apart.");
}

}  // namespace app
