// Datasets: samples and targets as tensors, those that ship with Descent, and what is done to them
// before training. Legend: N samples, D features, C classes.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent::data {

struct Dataset {
  std::string name;
  Tensor x;                           // (N, D) float32
  Tensor y;                           // (N) int64 classes, or (N, 1) float32 values
  std::vector<std::string> features;  // D names, or none
  std::vector<std::string> classes;   // C names; empty for regression

  std::int64_t size() const { return x.size(0); }
  std::int64_t num_features() const { return x.size(1); }
  std::int64_t num_classes() const { return static_cast<std::int64_t>(classes.size()); }
  bool is_classification() const { return !classes.empty(); }
  /// The samples at `index`, int64 (n). Throws ValueError for one out of range.
  Dataset subset(const Tensor& index) const;
};

// ---- data sets that ship, inside the library itself; sources and licences in data/README.md ----

/// 1,797 handwritten digits, 8 × 8 pixels divided by 16: (1797, 64), 10 classes.
Dataset digits();
/// Fisher's irises: (150, 4), 3 classes.
Dataset iris();
/// Wines by chemical analysis: (178, 13), 3 classes. Standardise before training.
Dataset wine();

// ---- data sets made from a seed ----

/// Two interleaved half circles: (n, 2), 2 classes.
Dataset moons(std::int64_t n = 500, double noise = 0.1, std::uint64_t seed = 0);
/// Interleaved spiral arms: (n, 2), `arms` classes.
Dataset spirals(std::int64_t n = 500, std::int64_t arms = 2, double noise = 0.05,
                std::uint64_t seed = 0);
/// Normal clouds around random centres in [-5, 5]^features.
Dataset blobs(std::int64_t n = 500, std::int64_t centres = 3, std::int64_t features = 2,
              double std = 1.0, std::uint64_t seed = 0);
/// Points of [-1, 1]², class 1 where the signs differ.
Dataset xor_points(std::int64_t n = 500, double noise = 0.0, std::uint64_t seed = 0);
/// y = x·w + 1 + noise, with w = (1, -2, 3, -4, …).
Dataset linear_regression(std::int64_t n = 200, std::int64_t features = 1, double noise = 0.1,
                          std::uint64_t seed = 0);
/// y = sin x + noise for x in [-π, π].
Dataset sine_regression(std::int64_t n = 200, double noise = 0.1, std::uint64_t seed = 0);

// ---- before training ----

struct Split {
  Dataset train, test;
};
/// The first ⌊fraction·N⌋ samples of a random order, and the rest. Throws ValueError unless both
/// parts hold a sample.
Split split(const Dataset& all, double fraction = 0.8, std::uint64_t seed = 0);

/// Means and deviations of training data, to be applied to all data alike.
struct Standardizer {
  Tensor mean, std;  // (D); a constant feature has std 1

  static Standardizer fit(const Tensor& x);
  Tensor apply(const Tensor& x) const;
  void apply(Dataset& d) const { d.x = apply(d.x); }
};

}  // namespace descent::data
