// Products of vectors and matrices.
// The rules for shapes, types and errors stand in <descent/autograd/ops.h>.
#pragma once

#include <descent/core/tensor.h>

namespace descent {

/// The matrix product of vectors, matrices and batches of matrices. It follows torch.matmul:
///   (n), (n) → ()             (m, k), (k, n) → (m, n)
///   (m, k), (k) → (m)         (…, m, k), (…, k, n) → (…, m, n), where … broadcast
/// Throws ShapeError if the inner extents (k) differ, or for a scalar.
Tensor matmul(const Tensor& a, const Tensor& b);
/// All products of two vectors: (n), (m) → (n, m). Throws ShapeError for anything but vectors.
Tensor outer(const Tensor& a, const Tensor& b);
/// Σ a·b: (n), (n) → (). Throws ShapeError unless both are vectors of one length.
Tensor dot(const Tensor& a, const Tensor& b);
/// x·weightᵀ + bias: x (…, in), weight (out, in), bias (out) → (…, out). The bias may be undefined.
/// K layers side by side have a weight (K, out, in), a bias (K, out), or both; then x is (in) or
/// (N, in), for all, or (K, N, in), and the result (K, out) or (K, N, out). Throws ShapeError if
/// the shapes do not fit, DTypeError unless all have one floating type.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace descent
