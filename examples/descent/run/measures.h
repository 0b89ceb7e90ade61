// How good a model is: what `train`, `evaluate` and the report of a run say of it.
#pragma once

#include <descent/descent.h>

#include <string>
#include <vector>

namespace app {

/// A model's predictions of one target, on rows where the target is known.
struct Evaluation {
  descent::data::Target target;
  std::vector<descent::nn::Measure> measures;  // with bootstrap intervals
  descent::Tensor predicted, truth;            // see TableModel::predict() and Schema::truth()
  std::string commonest;                       // the most frequent class; "" for a regression
  double commonest_share = 0;                  // its share of the rows
};
/// Measures predictions against the truth, for each target of the schema. If there are many rows,
/// draws fewer resamples.
std::vector<Evaluation> evaluations_of(const descent::data::Schema& schema,
                                       const descent::Tensor& predicted,
                                       const descent::Tensor& truth);

/// A number, or "undefined" for NaN.
std::string number_text(double x, const char* pattern);
/// The measures as rows of a table, below a header: name, value, interval.
std::vector<std::vector<std::string>> rows_of(const Evaluation& e);
/// The measures as text, with the confusion matrix if there are few classes, and what a model that
/// always gives the most frequent class would reach.
std::string text_of(const std::vector<Evaluation>& all);
/// The confusion matrix as rows of a table: true classes down, predicted ones across.
std::vector<std::vector<std::string>> confusion_of(const Evaluation& e);
/// A sentence on the most frequent class, if it makes up more than two thirds of the rows.
std::string imbalance_of(const Evaluation& e);

/// The importance of each column as rows of a table.
std::vector<std::vector<std::string>> rows_of(const std::vector<descent::Importance>& all,
                                              bool classes);

}  // namespace app
