#include "run/measures.h"

#include "run/console.h"

#include <cmath>

namespace app {

using namespace descent;

std::vector<Evaluation> evaluations_of(const data::Schema& schema, const Tensor& predicted,
                                       const Tensor& truth) {
  const nn::BootstrapOptions options{
      .resamples =
          std::clamp<std::int64_t>(20000000 / std::max<std::int64_t>(truth.size(0), 1), 200, 1000)};
  std::vector<Evaluation> all;
  for (const data::Target& target : schema.all_targets()) {
    Evaluation& e = all.emplace_back(Evaluation{target, {}, predicted, truth, {}});
    if (target.classes.empty()) {
      const auto column = std::ssize(all) - 1;
      e.predicted = predicted.select(1, column);
      e.truth = truth.select(1, column);
      e.measures = nn::regression_measures(e.predicted, e.truth, options);
      continue;
    }
    e.measures = nn::classification_measures(predicted, truth, options);
    std::vector<std::int64_t> counts(target.classes.size());
    for (const std::int64_t y : truth.to_vector<std::int64_t>())
      ++counts[static_cast<std::size_t>(y)];
    const auto most = std::max_element(counts.begin(), counts.end());
    e.commonest = target.classes[static_cast<std::size_t>(most - counts.begin())];
    e.commonest_share = static_cast<double>(*most) / static_cast<double>(truth.size(0));
  }
  return all;
}

std::string number_text(double x, const char* pattern) {
  return std::isnan(x) ? "undefined" : format(x, pattern);
}

std::vector<std::vector<std::string>> rows_of(const Evaluation& e) {
  std::vector<std::vector<std::string>> rows{{"measure", "value", "95 % interval"}};
  for (const nn::Measure& m : e.measures) {
    rows.push_back({m.name == "R2" ? "R²" : m.name, number_text(m.value, "%.4g"),
                    to_text(number_text(m.low, "%.4g"), " to ", number_text(m.high, "%.4g"))});
  }
  return rows;
}

std::vector<std::vector<std::string>> confusion_of(const Evaluation& e) {
  const Tensor counts = nn::confusion_matrix(e.predicted, e.truth);
  std::vector<std::vector<std::string>> rows{{"true \\ predicted"}};
  for (const std::string& c : e.target.classes) rows[0].push_back(brief(c, 20));
  for (std::int64_t i = 0; i < counts.size(0); ++i) {
    rows.push_back({rows[0][static_cast<std::size_t>(i) + 1]});
    for (std::int64_t k = 0; k < counts.size(1); ++k)
      rows.back().push_back(std::to_string(static_cast<std::int64_t>(counts[i][k].item())));
  }
  return rows;
}

std::string imbalance_of(const Evaluation& e) {
  std::vector<std::int64_t> present = e.truth.to_vector<std::int64_t>();
  std::sort(present.begin(), present.end());
  const auto classes = std::unique(present.begin(), present.end()) - present.begin();
  if (e.commonest_share < 2.0 / 3 || classes < 2) return "";
  return to_text("'", brief(e.commonest), "' makes up ", format(100 * e.commonest_share, "%.3g"),
                 " % of these rows: a model that always says so has accuracy ",
                 format(e.commonest_share, "%.4f"), " and balanced accuracy ",
                 format(1.0 / static_cast<double>(classes), "%.3g"),
                 ". AUC and balanced accuracy tell more here. Hint: "
                 "--class-weights balanced finds more of the rare classes\n");
}

std::string text_of(const std::vector<Evaluation>& all) {
  std::string text;
  for (const Evaluation& e : all) {
    if (all.size() > 1) text += to_text(text.empty() ? "" : "\n", e.target.name, "\n");
    text += table(rows_of(e));
    if (e.target.classes.empty()) continue;
    constexpr std::size_t kFew = 12;
    if (e.target.classes.size() <= kFew) text += "\n" + table(confusion_of(e));
    if (const std::string note = imbalance_of(e); !note.empty()) text += "\n" + note;
  }
  return text;
}

std::vector<std::vector<std::string>> rows_of(const std::vector<Importance>& all, bool classes) {
  std::vector<std::vector<std::string>> rows{
      {"column", "loss rises by", "±", classes ? "accuracy falls by" : "R² falls by", "±"}};
  for (const Importance& i : all)
    rows.push_back({i.column, format(i.loss, "%.4f"), format(i.loss_spread, "%.4f"),
                    number_text(i.score, "%.4f"), number_text(i.score_spread, "%.4f")});
  return rows;
}

}  // namespace app
