// Elman's recurrent network (1990): h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh).
// Legend: N batch, T steps, D input features, H hidden units.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

enum class RnnNonlinearity { tanh, relu };

/// One step: x (N, D), h (N, H) → (N, H). All values start uniform in ±1/√H.
class RNNCell : public Module {
 public:
  RNNCell(std::int64_t input, std::int64_t hidden, RnnNonlinearity f = RnnNonlinearity::tanh);
  /// From a hidden state of zeros.
  Tensor forward(const Tensor& x) override;
  Tensor step(const Tensor& x, const Tensor& h);
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // (H, D), (H, H), (H), (H)

 private:
  RnnNonlinearity nonlinearity_;
};

/// A sequence: x (T, N, D) → every hidden state of the last layer, (T, N, H). The last one alone is
/// `y[-1]`.
class RNN : public Module {
 public:
  RNN(std::int64_t input, std::int64_t hidden, std::int64_t layers = 1,
      RnnNonlinearity f = RnnNonlinearity::tanh);
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<RNNCell> cells_;
};

}  // namespace descent::nn
