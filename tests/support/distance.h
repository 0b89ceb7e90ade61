// How far two tensors are apart.
#pragma once

#include <descent/autograd/ops.h>
#include <gtest/gtest.h>

namespace descent::testing {

/// The largest |a − b|; 0 for no elements. The shapes must be equal.
inline double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  return a.numel() == 0 ? 0 : max(abs(a - b)).item();
}

}  // namespace descent::testing
