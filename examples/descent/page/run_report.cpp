#include "page/run_report.h"

#include "page/html.h"
#include "page/svg.h"

#include <cmath>

namespace app {

using namespace descent;

namespace {

// A scatter plot shows so many points at most, spread evenly over the rows.
constexpr std::size_t kMostPoints = 1000;

std::string pre(const std::string& text) { return to_text("<pre>", escaped(text), "</pre>\n"); }

/// Loss and score after each epoch. A dot marks the epoch whose weights the model has.
std::string curves_of(const RunReport& r, bool classes) {
  std::string charts;
  for (const bool loss : {true, false}) {
    Chart chart{loss ? "Loss" : classes ? "Accuracy" : "R²", "epoch", ""};
    for (const Run& run : r.runs) {
      Series train{"training"}, validation{"validation"}, chosen{"the model's epoch"};
      for (const Epoch& e : run.epochs) {
        train.x.push_back(static_cast<double>(e.epoch));
        train.y.push_back(loss ? e.train.loss : e.train.accuracy);
        validation.y.push_back(loss ? e.validation.loss : e.validation.accuracy);
      }
      validation.x = train.x;
      const std::size_t at =
          run.best_epoch > 0 ? static_cast<std::size_t>(run.best_epoch) - 1 : run.epochs.size() - 1;
      chosen.x = {train.x[at]};
      chosen.y = {validation.y[at]};
      chosen.points = true;
      train.colour = 0, validation.colour = 1, chosen.colour = 4;
      if (&run != &r.runs[0]) train.name = validation.name = chosen.name = "";
      chart.series.insert(chart.series.end(), {train, validation, chosen});
    }
    charts += svg(chart);
  }
  return to_text("<div class=\"charts\">\n", charts, "</div>\n");
}

/// For classes: which were taken for which, and how far probabilities can be believed.
std::string pictures_of_classes(const Evaluation& e) {
  const data::Target& target = e.target;
  std::string s;
  const Tensor counts = nn::confusion_matrix(e.predicted, e.truth);
  if (target.classes.size() <= 30) {
    HeatMap map{"Rows by true and predicted class", "predicted", "true"};
    for (const std::string& c : target.classes) map.columns.push_back(brief(c, 12));
    map.rows = map.columns;
    map.values = counts.to_vector<double>();
    map.pattern = "%.0f";
    s += svg(map);
  }
  Chart chart{"Calibration", "probability of the predicted class", "share that is right"};
  Series bins{"15 bins"}, ideal{"ideal", {0, 1}, {0, 1}};
  for (const nn::CalibrationBin& bin : nn::calibration_curve(e.predicted, e.truth))
    if (bin.rows > 0) bins.x.push_back(bin.confidence), bins.y.push_back(bin.accuracy);
  bins.points = true;
  chart.series = {bins, ideal};
  chart.x_range = chart.y_range = Interval{0, 1};
  return s + svg(chart);
}

/// For a regression: predicted against measured values, and residuals.
std::string pictures_of_values(const Evaluation& e) {
  const auto p = e.predicted.to_vector<double>(), y = e.truth.to_vector<double>();
  Series both{""}, residuals{""};
  const std::size_t step = std::max<std::size_t>(1, p.size() / kMostPoints);
  for (std::size_t i = 0; i < p.size(); i += step) {
    both.x.push_back(y[i]), both.y.push_back(p[i]);
    residuals.x.push_back(p[i]), residuals.y.push_back(p[i] - y[i]);
  }
  both.points = residuals.points = true;
  const auto [low, high] = std::minmax_element(both.x.begin(), both.x.end());
  const Series ideal{"ideal", {*low, *high}, {*low, *high}};
  const auto [left, right] = std::minmax_element(residuals.x.begin(), residuals.x.end());
  const Series zero{"", {*left, *right}, {0, 0}};
  const std::string name = brief(e.target.name, 40);
  Chart fit{"Predicted against measured", "measured " + name, "predicted"};
  fit.series = {both, ideal};
  Chart rest{"Residuals", "predicted " + name, "predicted − measured"};
  rest.series = {residuals, zero};
  return svg(fit) + svg(rest);
}

std::string section_of(const std::string& title, const std::vector<Evaluation>& all) {
  std::string s;
  for (const Evaluation& e : all)
    s += to_text("<h2>", escaped(title),
                 all.size() > 1 ? to_text(": ", escaped(e.target.name)) : std::string(), ", ",
                 e.truth.size(0), " rows</h2>\n", html_table(rows_of(e)), "<p>",
                 escaped(imbalance_of(e)), "</p>\n<div class=\"charts\">\n",
                 e.target.classes.empty() ? pictures_of_values(e) : pictures_of_classes(e),
                 "</div>\n");
  return s;
}

}  // namespace

std::string html_of(const Options& o, const RunReport& r) {
  const data::Target& target = r.model.schema.target;
  const bool classes = !target.classes.empty();
  const std::string title =
      to_text("A model of ", brief(target.name, 60), " from ", brief(r.data.all.name, 100));
  std::string s =
      to_text("<h1>", escaped(title), "</h1>\n<p>", r.data.train.size(), " rows for training, ",
              r.data.validation.size(), " for validation. ",
              r.runs.size() == 1 ? "One network" : counted(std::ssize(r.runs), "network"),
              ", trained by ", escaped(r.model.notes.at("optimizer")), ".</p>\n");
  s += curves_of(r, classes);
  s += section_of("On the rows for validation", r.validation);
  if (!o.test.empty()) s += section_of(to_text("On ", o.test), r.tested);
  if (!r.folds.empty()) s += to_text("<h2>Folds</h2>\n", pre(r.folds));
  std::string columns = r.from.summary;
  for (const std::string& column : r.data.schema.left_out) columns += "left out: " + column + "\n";
  if (!r.from.summary.empty()) {
    data::Table rows = r.from.table;
    rows.values = rows.values.index_select(0, r.data.rows.validation);
    s += to_text(
        "<h2>Importance</h2>\n<p>Each column in turn is shuffled among the rows for "
        "validation, five times; ± is the deviation between the five.</p>\n",
        html_table(rows_of(importance(r.model, rows), classes)),
        "<h2>Columns, and how they were read</h2>\n", pre(columns));
  }
  s += to_text("<h2>To repeat</h2>\n", pre(repeating_command(o, false)),
               "<p>Data: ", escaped(r.model.notes.at("data")), ".</p>\n");
  return html_page(title, s);
}

}  // namespace app
