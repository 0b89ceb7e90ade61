// Layer normalisation. Legend: D features, … any shape.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// Normalises each sample over its last dimension, by its mean and biased variance: (…, D) → (…,
/// D). Training and evaluation do not differ. Ba et al. 2016, arXiv:1607.06450. Throws ShapeError
/// unless x's last extent is D.
class LayerNorm : public Module {
 public:
  /// eps is added to the variance; affine learns a scale and a shift. Throws ValueError for
  /// features < 1 or eps < 0.
  explicit LayerNorm(std::int64_t features, double eps = 1e-5, bool affine = true);
  /// Copies, as a handle does. A LayerNorm is never moved: without its scale, it would not scale.
  LayerNorm(const LayerNorm&) = default;
  LayerNorm& operator=(const LayerNorm&) = default;  ///< copies
  Tensor forward(const Tensor& x) override;

  Param weight;  ///< scale (D), starts at 1; undefined without affine
  Param bias;    ///< shift (D), starts at 0; undefined without affine

 private:
  std::int64_t features_;
  double eps_;
};

}  // namespace descent::nn
