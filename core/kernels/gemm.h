// Matrix products, without gradients. The only user of BLAS.
//
// Our own register-tiled kernel works on the operands where they lie, or on packed blocks of them
// where strides are long. Large products in double go to OpenBLAS in tiles of our own, each on one
// thread. The choice and the cut depend on sizes alone, and every element is summed in the order of
// k, so results are bit-identical for any number of threads.
//
// OpenBLAS 0.3.21 has only a process-wide thread count: it is set to 1 while one of our large
// products runs and put back after the last of them. A host that calls BLAS at that same moment
// gets its result from one thread.
#pragma once

#include <descent/core/activation.h>
#include <descent/core/tensor.h>

namespace descent::kernel {

/// a (…, M, K) · b (…, K, N), leading dimensions broadcast; result row-major.
Tensor matmul(const Tensor& a, const Tensor& b);

/// activation(x (N, in) · w (out, in)ᵀ + bias (out)); bias may be undefined.
Tensor affine(const Tensor& x, const Tensor& w, const Tensor& bias,
              Activation activation = Activation::none);

/// The gradients of x, w and bias where asked for, from that of x·wᵀ + bias. That of w lies in
/// memory as (in, out).
struct AffineGrads {
  Tensor x, w, bias;
};
AffineGrads affine_grad(const Tensor& g, const Tensor& x, const Tensor& w, bool need_x, bool need_w,
                        bool need_bias);

}  // namespace descent::kernel
