// Matrix products, without gradients. The only user of BLAS.
//
// Up to kBlasThreshold multiply-adds our own register-tiled kernel works on the operands where they
// lie; larger products go to OpenBLAS in tiles of our own, each on one thread. The choice and the
// tiles depend on sizes alone, so results are bit-identical for any number of threads.
//
// OpenBLAS 0.3.21 has only a process-wide thread count: it is set to 1 while one of our large
// products runs and put back after the last of them. A host that calls BLAS at that same moment
// gets its result from one thread.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// a (…, M, K) · b (…, K, N), leading dimensions broadcast; result row-major.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x (N, in) · w (out, in)ᵀ + bias (out); bias may be undefined.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias);

}  // namespace descent::kernel
