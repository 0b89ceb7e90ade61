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

/// What a loss function returns for the losses of the single elements (or rows).
enum class Reduction {
  mean,  ///< the mean of the losses: ()
  sum,   ///< the sum of the losses: ()
  none   ///< all losses, in their shape
};

/// @name Regression
/// Input and target have the same shape, (…). d is input − target.
/// @{

/// d², Reduction::mean by default.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);
/// The residuals of mse_loss, for rules of least squares such as optim::LevenbergMarquardt:
/// d·√(2/n) for n elements, so that half the sum of their squares is the mean of d².
Tensor mse_residuals(const Tensor& input, const Tensor& target);
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
  Tensor weight = {};                     ///< (C), a factor for each class; if undefined, 1
  std::int64_t ignore_index = -100;       ///< a row with this label does not count
  double label_smoothing = 0;             ///< ε in [0, 1]: the target is (1 − ε)·label + ε/C
  Reduction reduction = Reduction::mean;  ///< how the rows are combined
};

/// The cross entropy of each row. With labels it is −log softmax(logits)[label]. With probabilities
/// t it is −Σ t·log softmax(logits). logits: (N, C). target: either labels, int64 (N), or
/// probabilities (N, C) of a floating type. Returns (), or (N) for Reduction::none.
/// With labels the mean is weighted: Σ weight·loss / Σ weight. With probabilities the sum is
/// divided by N. Throws ValueError if a label lies outside [0, C) and is not ignore_index.
/// If a row that does not count holds NaN, its gradient is 0. With weights, label smoothing or
/// Reduction::none, its gradient is NaN.
///
///   nn::cross_entropy(logits, labels, {.label_smoothing = 0.1})
Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                     const CrossEntropyOptions& options = {});

/// Options of nll_loss(); see CrossEntropyOptions.
struct NllOptions {
  Tensor weight = {};                     ///< (C), a factor for each class; if undefined, 1
  std::int64_t ignore_index = -100;       ///< a row with this label does not count
  Reduction reduction = Reduction::mean;  ///< how the rows are combined
};

/// −log_probability[label], row by row: log_probabilities (N, C), labels int64 (N).
/// nll_loss(log_softmax(x, 1), labels) is cross_entropy(x, labels). Errors as in cross_entropy().
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NllOptions& o = {});

/// −t·log p − (1 − t)·log(1 − p) for probabilities p (…) and targets t (…). As in PyTorch, a
/// logarithm below −100 counts as −100. Throws ValueError for an input outside [0, 1]. For logits
/// use bce_with_logits().
Tensor bce_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);

/// The same as bce_loss(sigmoid(logits), target), but without overflow: (…), (…). pos_weight
/// multiplies the term t·log p and broadcasts. If pos_weight is undefined, it counts as 1.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const Tensor& pos_weight = {},
                       Reduction r = Reduction::mean);

/// How kl_div() combines its elements: mean, sum and none as in Reduction, and batchmean, the sum
/// divided by N.
enum class KlReduction { mean, sum, none, batchmean };

/// t·(log t − input), element by element, for log-probabilities `input` (N, …) and probabilities
/// `target` t (N, …). Only batchmean gives the Kullback-Leibler divergence, averaged over the rows.
Tensor kl_div(const Tensor& input, const Tensor& target, KlReduction r = KlReduction::mean);

/// −(1 − p)^gamma·log p, where p is the probability of the label: cross-entropy that looks away
/// from rows that are easy. logits (N, C), labels (N) int64. Source: Lin et al. 2017,
/// arXiv:1708.02002. Throws as cross_entropy(), and ValueError for a negative gamma.
Tensor focal_loss(const Tensor& logits, const Tensor& labels, double gamma = 2,
                  Reduction r = Reduction::mean);

/// The pinball loss max(q·e, (q − 1)·e) of e = target − input: (…), (…). Its minimum is the
/// quantile q of the target: q = 0.5 gives the median. Source: Koenker & Bassett 1978. Throws
/// ValueError unless 0 < q < 1.
Tensor quantile_loss(const Tensor& input, const Tensor& target, double q,
                     Reduction r = Reduction::mean);

/// max(0, 1 − target·input), for targets of −1 and 1: (…), (…).
Tensor hinge_loss(const Tensor& input, const Tensor& target, Reduction r = Reduction::mean);

/// Share of rows that are classified correctly, from 0 to 1. With logits (N, C), a row is correct
/// if its largest logit is at its label. With logits (N, 1), a positive logit predicts class 1.
/// labels: int64 (N). Throws ShapeError for other shapes.
double accuracy(const Tensor& logits, const Tensor& labels);

}  // namespace descent::nn
