// Recurrent networks over sequences: RNN, LSTM and GRU, with PyTorch's formulas, gates and names of
// parameters: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, and so on for each layer.
// Legend: N batch, T steps, D input features, H hidden units, L layers, G gates, σ sigmoid.
#pragma once

#include <descent/nn/module.h>

#include <vector>

namespace descent::nn {

/// The function that gives the new hidden state of an RNN.
enum class RnnNonlinearity { tanh, relu };

/// One step of a recurrent network (Elman 1990): h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh). All
/// parameters start uniform in ±1/√H.
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

/// What the recurrent networks share: layers, each of which reads the states of the one below.
/// x (T, N, D) → (T, N, H): the hidden states of the last layer at all steps.
class Recurrent : public Module {
 public:
  /// The hidden state of every layer: (L, N, H). `c`: an LSTM's cells, else undefined.
  struct State {
    Tensor h;    ///< (L, N, H)
    Tensor c{};  ///< (L, N, H)
  };
  /// Copies, as a handle does. Never moved: without its layers, it would return x.
  Recurrent(const Recurrent&) = default;
  Recurrent& operator=(const Recurrent&) = default;  ///< copies

  /// The hidden states of the last layer, from states of zero. Throws ShapeError unless x is
  /// (T, N, D) with at least one step.
  Tensor forward(const Tensor& x) override;
  /// The same from a given state, and the state after the last step. An undefined tensor in `start`
  /// counts as zeros.
  ///
  ///   auto [y, state] = lstm.sequence(x);
  ///   auto [z, end] = lstm.sequence(more, state);
  std::pair<Tensor, State> sequence(const Tensor& x, const State& start);
  std::pair<Tensor, State> sequence(const Tensor& x) { return sequence(x, State{}); }  ///< the same

 protected:
  /// `gates`: how many blocks of H rows the weights have.
  Recurrent(const std::string& name, std::int64_t gates, std::int64_t input, std::int64_t hidden,
            std::int64_t layers);
  /// The next states of one layer, given W_ih·x + b_ih (N, G·H) and the weights of h.
  virtual State step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
                     const Tensor& bias_hh) = 0;
  virtual bool has_cells() const { return false; }  ///< whether State::c is used

 private:
  struct Layer {
    Param weight_ih, weight_hh, bias_ih, bias_hh;
  };
  std::int64_t hidden_;
  std::vector<Layer> layers_;
};

/// Elman's network (1990): h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh).
///
///   Tensor y = rnn(x);
///   Tensor last = y[-1];  // (N, H)
class RNN : public Recurrent {
 public:
  /// Throws ValueError for an extent or a number of layers below 1.
  RNN(std::int64_t input, std::int64_t hidden, std::int64_t layers = 1,
      RnnNonlinearity f = RnnNonlinearity::tanh)
      : Recurrent("RNN", 1, input, hidden, layers), nonlinearity_(f) {}

 protected:
  State step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
             const Tensor& bias_hh) override;

 private:
  RnnNonlinearity nonlinearity_;
};

/// Long short-term memory. Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et
/// al. 2000; gates in PyTorch's order, with a = W_ih·x + b_ih + W_hh·h + b_hh:
///   i = σ(a₁), f = σ(a₂), g = tanh(a₃), o = σ(a₄),  c′ = f·c + i·g,  h′ = o·tanh(c′).
class LSTM : public Recurrent {
 public:
  /// Throws ValueError for an extent or a number of layers below 1.
  LSTM(std::int64_t input, std::int64_t hidden, std::int64_t layers = 1)
      : Recurrent("LSTM", 4, input, hidden, layers) {}

 protected:
  State step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
             const Tensor& bias_hh) override;
  bool has_cells() const override { return true; }
};

/// Gated recurrent unit. Source: Cho et al. 2014, arXiv:1406.1078, in PyTorch's form, with
/// x = W_ih·x + b_ih and h = W_hh·h + b_hh in three blocks each:
///   r = σ(x₁ + h₁), z = σ(x₂ + h₂), n = tanh(x₃ + r·h₃),  h′ = (1 − z)·n + z·h.
class GRU : public Recurrent {
 public:
  /// Throws ValueError for an extent or a number of layers below 1.
  GRU(std::int64_t input, std::int64_t hidden, std::int64_t layers = 1)
      : Recurrent("GRU", 3, input, hidden, layers) {}

 protected:
  State step(const Tensor& from_x, const State& s, const Tensor& weight_hh,
             const Tensor& bias_hh) override;
};

}  // namespace descent::nn
