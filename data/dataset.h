// Data sets: samples and targets as tensors. Some ship with Descent, some are made from a seed.
//
//   auto [train, test] = data::split(data::wine(), 0.8);
//   const auto scale = data::Standardizer::fit(train.x);
//   scale.apply(train), scale.apply(test);
//
// Legend: N samples, D features, C classes.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent::data {

/// Samples with their targets.
struct Dataset {
  std::string name{};                   ///< for messages and reports
  Tensor x{};                           ///< (N, D) float32
  Tensor y{};                           ///< (N) int64 classes, or (N, 1) float32 values
  std::vector<std::string> features{};  ///< D names, or none
  std::vector<std::string> classes{};   ///< C names; empty for regression

  std::int64_t size() const { return x.size(0); }          ///< N
  std::int64_t num_features() const { return x.size(1); }  ///< D
  /// C; 0 for regression.
  std::int64_t num_classes() const { return static_cast<std::int64_t>(classes.size()); }
  /// True if the targets are classes.
  bool is_classification() const { return !classes.empty(); }
  /// The samples with the numbers in `index`, int64 (n), in the order of `index`. Throws ValueError
  /// for an index out of range.
  Dataset subset(const Tensor& index) const;
};

/// @name Data sets that ship
/// These data sets are part of the library itself. data/README.md names sources and licences.
/// @{

/// 1,797 handwritten digits, 8 × 8 pixels divided by 16: (1797, 64), 10 classes.
Dataset digits();
/// Fisher's irises: (150, 4), 3 classes.
Dataset iris();
/// Wines by chemical analysis: (178, 13), 3 classes. Standardise before training.
Dataset wine();
/// @}

/// @name Data sets made from a seed
/// n samples; the same seed gives the same numbers on every platform. `noise` is the standard
/// deviation of the normal noise that is added to each coordinate (or to y). Each throws ValueError
/// for a number out of range.
/// @{

/// Two interleaved half circles: (n, 2), 2 classes.
Dataset moons(std::int64_t n = 500, double noise = 0.1, std::uint64_t seed = 0);
/// Interleaved spiral arms: (n, 2), `arms` classes.
Dataset spirals(std::int64_t n = 500, std::int64_t arms = 2, double noise = 0.05,
                std::uint64_t seed = 0);
/// Normal clouds around random centres in [-5, 5]^features.
Dataset blobs(std::int64_t n = 500, std::int64_t centres = 3, std::int64_t features = 2,
              double std = 1.0, std::uint64_t seed = 0);
/// Points of [-1, 1]². A point has class 1 if the signs of its two coordinates differ.
Dataset xor_points(std::int64_t n = 500, double noise = 0.0, std::uint64_t seed = 0);
/// y = x·w + 1 + noise, with w = (1, -2, 3, -4, …).
Dataset linear_regression(std::int64_t n = 200, std::int64_t features = 1, double noise = 0.1,
                          std::uint64_t seed = 0);
/// y = sin x + noise for x in [-π, π].
Dataset sine_regression(std::int64_t n = 200, double noise = 0.1, std::uint64_t seed = 0);
/// @}

/// The two parts of a data set.
struct Split {
  Dataset train, test;  ///< no sample stands in both
};
/// Parts a data set at random: about fraction·N samples for training, the rest for testing. The
/// seed alone decides the order. Classes are parted alike (stratified): see split_rows() of labels.
/// Where that is not wanted, take subset() of split_rows(n). Throws ValueError unless 0 < fraction
/// < 1 and both parts hold a sample.
Split split(const Dataset& all, double fraction = 0.8, std::uint64_t seed = 0);

/// Parts the numbers 0 to n − 1 at random: ⌊fraction·n⌋ of them, and the rest; both int64. Throws
/// the errors of split().
std::pair<Tensor, Tensor> split_rows(std::int64_t n, double fraction = 0.8, std::uint64_t seed = 0);

/// The same for samples of these classes, int64 (N): every class is parted alike, and a class of
/// two samples or more stands in both parts. Throws the errors of split(), and ShapeError for other
/// labels.
std::pair<Tensor, Tensor> split_rows(const Tensor& labels, double fraction, std::uint64_t seed = 0);

/// Parts n samples at random into k folds of about the same size, for cross-validation: the numbers
/// of the samples of each, int64. Throws ValueError unless 2 <= k <= n.
std::vector<Tensor> fold_rows(std::int64_t n, std::int64_t k, std::uint64_t seed = 0);
/// The same for samples of these classes, int64 (N): every class is spread over the folds alike.
std::vector<Tensor> fold_rows(const Tensor& labels, std::int64_t k, std::uint64_t seed = 0);

/// Shifts and scales each feature to mean 0 and standard deviation 1. Measure mean and deviation on
/// the training data, and apply the same numbers to the test data.
struct Standardizer {
  Tensor mean;  ///< (D)
  Tensor std;   ///< (D); 1 for a feature that is constant

  /// Measures mean and standard deviation of x (N, D). Throws ShapeError for another shape or no
  /// samples.
  static Standardizer fit(const Tensor& x);
  /// (x − mean)/std: (N, D) → (N, D). Throws ShapeError for another number of features.
  Tensor apply(const Tensor& x) const;
  /// Replaces d.x by apply(d.x).
  void apply(Dataset& d) const { d.x = apply(d.x); }
};

}  // namespace descent::data
