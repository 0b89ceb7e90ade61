// Matrix products, without gradients.
//
// The kernel holds tiles of the result in registers. If the strides of an operand are long, it
// first packs blocks of the operand. Otherwise it reads the operand in place. The cut depends on
// sizes alone, and so does the order of every sum over k. Results therefore have the same bits for
// any number of threads. OpenBLAS has no part in products: linalg.h calls it for decompositions.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent::kernel {

/// a (…, M, K) · b (…, K, N) → (…, M, N). The leading dimensions broadcast, and the result is
/// row-major.
Tensor matmul(const Tensor& a, const Tensor& b);

/// activation(x (N, in) · w (out, in)ᵀ + bias (out)) → (N, out); bias may be undefined. With w (K,
/// out, in) and bias (K, out), it computes K layers: x (N, in), for all, or (K, N, in) → (K, N,
/// out).
Tensor affine(const Tensor& x, const Tensor& w, const Tensor& bias,
              Activation activation = Activation::none);

/// The gradients of affine(). The gradient of w lies in memory as w does. For K layers, the
/// gradient of x is (K, N, in), also if they share x.
struct AffineGrads {
  Tensor x, w, bias;
};
/// Computes the gradients of x, w and bias from the gradient g of the output y. If a gradient is
/// not needed, it is undefined. y may be undefined for Activation::none.
AffineGrads affine_grad(const Tensor& g, const Tensor& y, const Tensor& x, const Tensor& w,
                        Activation activation, bool need_x, bool need_w, bool need_bias);

}  // namespace descent::kernel
