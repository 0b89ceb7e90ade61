// Elman's recurrent network (1990): h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh).
// Legend: N batch, T steps, D input features, H hidden units.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// The function that gives the new hidden state.
enum class RnnNonlinearity { tanh, relu };

/// One step of a recurrent network. All parameters start uniform in ±1/√H.
class RNNCell : public Module {
 public:
  /// Throws ValueError for an extent below 1.
  RNNCell(std::int64_t input, std::int64_t hidden, RnnNonlinearity f = RnnNonlinearity::tanh);
  /// The next hidden state, if the present hidden state is zero: x (N, D) → (N, H).
  Tensor forward(const Tensor& x) override;
  /// The next hidden state: x (N, D), h (N, H) → (N, H).
  Tensor step(const Tensor& x, const Tensor& h);

  Param weight_ih;  ///< (H, D)
  Param weight_hh;  ///< (H, H)
  Param bias_ih;    ///< (H)
  Param bias_hh;    ///< (H)

 private:
  RnnNonlinearity nonlinearity_;
};

/// A network of one or more recurrent layers over a sequence: x (T, N, D) → (T, N, H). The result
/// holds the hidden states of the last layer at all T steps. In each layer the first hidden state
/// is zero.
///
///   Tensor y = rnn(x);
///   Tensor last = y[-1];  // (N, H)
class RNN : public Module {
 public:
  /// Throws ValueError for an extent or a number of layers below 1.
  RNN(std::int64_t input, std::int64_t hidden, std::int64_t layers = 1,
      RnnNonlinearity f = RnnNonlinearity::tanh);
  /// Copies, as a handle does. An RNN is never moved: without its layers, it would return x.
  RNN(const RNN&) = default;
  RNN& operator=(const RNN&) = default;  ///< copies
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<RNNCell> cells_;
};

}  // namespace descent::nn
