// Matrix products, without gradients. The only user of BLAS.
//
// Our own kernel holds tiles of the result in registers. If the strides of an operand are long, the
// kernel first packs blocks of the operand. Otherwise it reads the operand in place. Large products
// in double go to OpenBLAS, in tiles of our own, each on one thread. The choice and the cut depend
// on sizes alone, and so does the order of every sum over k. Results therefore have the same
// bits for any number of threads.
//
// OpenBLAS 0.3.21 has one thread count for the whole process. While a large product of ours runs,
// the count is 1. Afterwards it has its earlier value. If the host program calls BLAS meanwhile,
// its call runs on one thread.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent::kernel {

/// a (…, M, K) · b (…, K, N) → (…, M, N). The leading dimensions broadcast, and the result is
/// row-major.
Tensor matmul(const Tensor& a, const Tensor& b);

/// activation(x (N, in) · w (out, in)ᵀ + bias (out)); bias may be undefined.
Tensor affine(const Tensor& x, const Tensor& w, const Tensor& bias,
              Activation activation = Activation::none);

/// The gradients of affine(). The gradient of w lies in memory as (in, out).
struct AffineGrads {
  Tensor x, w, bias;
};
/// Computes the gradients of x, w and bias. g (N, out) is the gradient of x·wᵀ + bias. If a
/// gradient is not needed, it is undefined.
AffineGrads affine_grad(const Tensor& g, const Tensor& x, const Tensor& w, bool need_x, bool need_w,
                        bool need_bias);

}  // namespace descent::kernel
