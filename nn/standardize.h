// Standardize: a layer that scales features by numbers that were measured before training.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// (x − mean)/std: (…, D) → (…, D). Mean and deviation are buffers, saved with the network, so that
/// a network carries its scaling with it.
///
///   auto scaler = data::Standardizer::fit(train.x);
///   nn::Sequential model(nn::Standardize(scaler.mean, scaler.std), nn::Linear(4, 16), …);
class Standardize : public Module {
 public:
  /// Throws ShapeError unless both are (D), ValueError for a deviation that is not above 0.
  Standardize(const Tensor& mean, const Tensor& std);
  Tensor forward(const Tensor& x) override;

  Param mean;  ///< buffer (D)
  Param std;   ///< buffer (D)
};

}  // namespace descent::nn
