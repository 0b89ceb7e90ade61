// Losses, as functions. Legend: N batch, C classes, … any shape.
#pragma once

#include <descent/core/tensor.h>

namespace descent::nn {

enum class Reduction { mean, sum, none };

// ---- regression: input and target (…) of the same shape ----
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
/// ½d² for |d| <= δ, else δ(|d| − ½δ). Huber 1964.
Tensor huber_loss(const Tensor& input, const Tensor& target, double delta = 1,
                  Reduction r = Reduction::mean);
/// ½d²/β for |d| < β, else |d| − ½β.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, double beta = 1,
                      Reduction r = Reduction::mean);

// ---- classification ----
struct CrossEntropyOptions {
  Tensor weight = {};                ///< (C), one per class; none by default
  std::int64_t ignore_index = -100;  ///< labels that count for nothing
  double label_smoothing = 0;        ///< ε: (1 − ε) of the label and ε/C of every class
  Reduction reduction = Reduction::mean;
};
/// −log softmax(logits)[label]: logits (N, C), labels int64 (N), or probabilities (N, C). The mean
/// is weighted by class weights for labels, and over N for probabilities. Throws ValueError for a
/// label outside [0, C).
Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                     const CrossEntropyOptions& options = {});
struct NllOptions {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// −log_probability[label]: as cross_entropy after log_softmax.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NllOptions& o = {});
/// Probabilities in [0, 1] and targets of the same shape; logarithms are limited to −100 as in
/// PyTorch. Throws ValueError for an input outside [0, 1].
Tensor bce_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
/// Of logits, without overflow. pos_weight multiplies the positive term and is broadcast.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const Tensor& pos_weight = {},
                       Reduction r = Reduction::mean);
enum class KlReduction { mean, sum, none, batchmean };
/// t·(log t − input) for log-probabilities input and probabilities t; `mean` divides by the number
/// of elements, `batchmean` by N, which is the divergence itself.
Tensor kl_div(const Tensor& input, const Tensor& target, KlReduction r = KlReduction::mean);
/// max(0, 1 − target·input) for targets of ±1.
Tensor hinge_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);

/// The share of rows whose largest logit (N, C) is at the label (N); of one column, whose sign is.
double accuracy(const Tensor& logits, const Tensor& labels);

}  // namespace descent::nn
