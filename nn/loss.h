// Losses, as functions. Legend: N batch, C classes, … any shape.
//
//   Tensor loss = nn::cross_entropy(model(x), labels);
//   loss.backward();
//
// Every loss throws ShapeError if input and target do not fit: a column (N, 1) is not broadcast
// against (N).
#pragma once

#include <descent/core/tensor.h>

namespace descent::nn {

/// What becomes of the losses of the single elements (or rows).
enum class Reduction {
  mean,  ///< their mean: ()
  sum,   ///< their sum: ()
  none   ///< they are returned as they are
};

/// @name Regression
/// Input and target have one shape, (…). d is input − target.
/// @{

/// d², Reduction::mean by default.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
/// |d|.
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
/// ½d² if |d| <= δ, else δ(|d| − ½δ). Huber 1964. Throws ValueError unless δ > 0.
Tensor huber_loss(const Tensor& input, const Tensor& target, double delta = 1,
                  Reduction r = Reduction::mean);
/// ½d²/β if |d| < β, else |d| − ½β. With β = 0 this is l1_loss(). Throws ValueError for β < 0.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, double beta = 1,
                      Reduction r = Reduction::mean);
/// @}

/// Options of cross_entropy().
struct CrossEntropyOptions {
  Tensor weight = {};                     ///< (C), a factor for each class; undefined means 1
  std::int64_t ignore_index = -100;       ///< a row with this label does not count
  double label_smoothing = 0;             ///< ε in [0, 1]: the target is (1 − ε)·label + ε/C
  Reduction reduction = Reduction::mean;  ///< of the rows' losses
};

/// −log softmax(logits)[label], row by row. logits: (N, C). target: either labels, int64 (N), or
/// probabilities (N, C) of a floating type. Returns (), or (N) without a reduction.
/// The mean over labels is weighted: Σ weight·loss / Σ weight. The mean over probabilities is over
/// N. Throws ValueError for a label outside [0, C) that is not ignore_index.
///
///   nn::cross_entropy(logits, labels, {.label_smoothing = 0.1})
Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                     const CrossEntropyOptions& options = {});

/// Options of nll_loss(); see CrossEntropyOptions.
struct NllOptions {
  Tensor weight = {};                     ///< (C), a factor for each class; undefined means 1
  std::int64_t ignore_index = -100;       ///< a row with this label does not count
  Reduction reduction = Reduction::mean;  ///< of the rows' losses
};

/// −log_probability[label], row by row: log_probabilities (N, C), labels int64 (N).
/// nll_loss(log_softmax(x, 1), labels) is cross_entropy(x, labels). Errors as in cross_entropy().
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NllOptions& o = {});

/// −t·log p − (1 − t)·log(1 − p) for probabilities p (…) and targets t (…). Logarithms are limited
/// to −100 from below, as in PyTorch. Throws ValueError for an input outside [0, 1]. For logits use
/// bce_with_logits().
Tensor bce_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);

/// bce_loss(sigmoid(logits), target) without overflow: (…), (…). pos_weight multiplies the term
/// t·log p and broadcasts; undefined means 1.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const Tensor& pos_weight = {},
                       Reduction r = Reduction::mean);

/// What becomes of kl_div()'s elements: as Reduction, and batchmean, the sum divided by N.
enum class KlReduction { mean, sum, none, batchmean };

/// t·(log t − input), element by element, for log-probabilities `input` (N, …) and probabilities
/// `target` t (N, …). The divergence itself is the one with batchmean.
Tensor kl_div(const Tensor& input, const Tensor& target, KlReduction r = KlReduction::mean);

/// max(0, 1 − target·input), for targets of −1 and 1: (…), (…).
Tensor hinge_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);

/// Share of rows that are classified correctly, from 0 to 1. With logits (N, C), a row is correct
/// if its largest logit is at its label. With logits (N, 1), a positive logit predicts class 1.
/// labels: int64 (N). Throws ShapeError for other shapes.
double accuracy(const Tensor& logits, const Tensor& labels);

}  // namespace descent::nn
