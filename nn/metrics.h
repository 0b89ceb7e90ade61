// Metrics: how good predictions are, each measure with an interval that tells what chance allows.
//
//   for (const nn::Measure& m : nn::classification_measures(probabilities, labels))
//     std::cout << m.name << " " << m.value << " [" << m.low << ", " << m.high << "]\n";
//
// The intervals come from a bootstrap of the rows: Efron 1979. An interval tells how far a measure
// would move with another test set of this size. It does not tell how far the measure would move
// with another training. Legend: N rows, C classes.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent::nn {

/// A measure of a set of predictions.
struct Measure {
  std::string name;           ///< as "accuracy"
  double value = 0;           ///< on all rows; NaN if the rows do not define it
  double low = 0, high = 0;   ///< the interval that the bootstrap gives
  bool higher_better = true;  ///< whether a larger value is better
};

/// Options of the bootstrap.
struct BootstrapOptions {
  std::int64_t resamples = 1000;  ///< sets of N rows that are drawn; 0: no intervals
  double level = 0.95;            ///< share of the resamples that an interval holds
  std::uint64_t seed = 0;         ///< decides which rows are drawn
};

/// Measures of probabilities (N, C) against labels (N), int64 in [0, C):
///
///   accuracy             share of rows whose largest probability is at the label
///   balanced accuracy    mean over the classes of the share of their rows that are found
///   macro F1             mean over the classes of 2·precision·recall/(precision + recall)
///   AUC                  two classes: probability that a row of class 1 has a larger p₁ than
///                        one of class 0; more classes: mean of each class against all others
///   log loss             mean of −log p[label]; p is at least 1.2e-7, as in scikit-learn
///   calibration error    mean of |confidence − accuracy| over 15 bins: Guo et al. 2017,
///                        arXiv:1706.04599
///
/// A class without a row does not count. Throws ShapeError for other shapes, ValueError for a label
/// out of range, no rows, or a probability outside [0, 1].
std::vector<Measure> classification_measures(const Tensor& probabilities, const Tensor& labels,
                                             const BootstrapOptions& options = {});

/// Measures of predicted values against measured ones, each (N) or (N, 1): "R2", "RMSE", "MAE",
/// and "half of errors below" and "90 % of errors below", the quantiles of |error|. Throws
/// ShapeError for other shapes, ValueError for no rows or values that are not finite.
std::vector<Measure> regression_measures(const Tensor& predicted, const Tensor& measured,
                                         const BootstrapOptions& options = {});

/// @name Single measures
/// The measures above, without intervals; and mean over the classes of precision and recall. R² is
/// 1 − Σ(error²)/Σ(deviation²).
/// @{
double balanced_accuracy(const Tensor& probabilities, const Tensor& labels);
double precision(const Tensor& probabilities, const Tensor& labels);
double recall(const Tensor& probabilities, const Tensor& labels);
double f1_score(const Tensor& probabilities, const Tensor& labels);
double auc(const Tensor& probabilities, const Tensor& labels);
double log_loss(const Tensor& probabilities, const Tensor& labels);
double calibration_error(const Tensor& probabilities, const Tensor& labels);
double r2_score(const Tensor& predicted, const Tensor& measured);
double rmse(const Tensor& predicted, const Tensor& measured);
double mean_absolute_error(const Tensor& predicted, const Tensor& measured);
/// @}

/// How often a row of class i (the row) was predicted as class j (the column): (C, C), int64.
/// Throws the errors of classification_measures().
Tensor confusion_matrix(const Tensor& probabilities, const Tensor& labels);

/// A bin of a calibration curve: rows whose largest probability lies in [k/15, (k + 1)/15).
struct CalibrationBin {
  std::int64_t rows = 0;  ///< how many
  double confidence = 0;  ///< mean of their largest probabilities
  double accuracy = 0;    ///< share that is predicted correctly
};
/// The 15 bins behind the calibration error. Throws the errors of classification_measures().
std::vector<CalibrationBin> calibration_curve(const Tensor& probabilities, const Tensor& labels);

}  // namespace descent::nn
