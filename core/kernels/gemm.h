// Matrix products, without gradients. The only user of BLAS.
//
// Our own kernel holds tiles of the result in registers. It reads the operands where they lie, or
// packs blocks of them if strides are long. Large products in double go to OpenBLAS, in tiles of
// our own, each on one thread. The choice and the cut depend on sizes alone, and every element is
// summed in the order of k. Results therefore have the same bits for any number of threads.
//
// OpenBLAS 0.3.21 has one thread count for the whole process. It is 1 while one of our large
// products runs, and afterwards what it was. A host that calls BLAS meanwhile gets its result from
// one thread.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent::kernel {

/// a (…, M, K) · b (…, K, N), leading dimensions broadcast; result row-major.
Tensor matmul(const Tensor& a, const Tensor& b);

/// activation(x (N, in) · w (out, in)ᵀ + bias (out)); bias may be undefined.
Tensor affine(const Tensor& x, const Tensor& w, const Tensor& bias,
              Activation activation = Activation::none);

/// The gradients of affine(). The one of w lies in memory as (in, out).
struct AffineGrads {
  Tensor x, w, bias;
};
/// The gradients of x, w and bias, from the gradient g (N, out) of x·wᵀ + bias. A gradient that is
/// not needed is undefined.
AffineGrads affine_grad(const Tensor& g, const Tensor& x, const Tensor& w, bool need_x, bool need_w,
                        bool need_bias);

}  // namespace descent::kernel
