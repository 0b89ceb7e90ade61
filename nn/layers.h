// The layers. Each is a handle (see module.h); initial values are PyTorch's.
// Legend: N batch, D features, T steps of a sequence, H hidden units.
#pragma once

#include <descent/core/activation.h>
#include <descent/nn/module.h>

namespace descent::nn {

/// y = x·Wᵀ + b: (…, in) → (…, out). weight (out, in) and bias (out) start uniform in ±1/√in.
/// In memory the weight is (in, out): the forward product then runs along rows.
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true);
  Tensor forward(const Tensor& x) override;
  /// The layer and the activation behind it, in one pass over the product.
  Tensor forward_activated(const Tensor& x, Activation activation);
  Tensor weight, bias;
};

/// Zeroes each element with probability p while training, and scales the rest by 1/(1 − p).
/// Srivastava et al. 2014. Draws from default_generator().
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

struct BatchNormOptions {
  double eps = 1e-5;      ///< added to the variance
  double momentum = 0.1;  ///< weight of a new batch in the running statistics
  bool affine = true;     ///< learn a scale and a shift
};

/// Normalises each feature over the batch: (N, D) → (N, D). Ioffe & Szegedy 2015, arXiv:1502.03167.
/// Training uses the batch's mean and (biased) variance; evaluation the running ones, to which the
/// unbiased variance is added. Throws ShapeError for a training batch of one.
class BatchNorm1d : public Module {
 public:
  explicit BatchNorm1d(std::int64_t features, BatchNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias;               // (D); undefined without affine
  Tensor running_mean, running_var;  // (D), buffers
  Tensor num_batches_tracked;        // (), int64, buffer

 private:
  BatchNormOptions options_;
};

/// Normalises each sample over its last dimension: (…, D) → (…, D). Ba et al. 2016,
/// arXiv:1607.06450.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(std::int64_t features, double eps = 1e-5, bool affine = true);
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias;

 private:
  std::int64_t features_;
  double eps_;
};

/// Rows of a table: int64 (…) → (…, dim). Starts standard normal. Throws ValueError for an index
/// outside [0, count).
class Embedding : public Module {
 public:
  Embedding(std::int64_t count, std::int64_t dim);
  Tensor forward(const Tensor& index) override;
  Tensor weight;  // (count, dim)
};

/// (N, …) → (N, D).
struct Flatten : Module {
  Flatten() : Module("Flatten") {}
  Tensor forward(const Tensor& x) override { return x.flatten(1); }
};

}  // namespace descent::nn
