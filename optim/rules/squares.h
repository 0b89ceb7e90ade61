// Internal. The norm of gradients of any size, from sums of squares.
#pragma once

#include <descent/optim/hyper.h>

#include <array>
#include <cmath>

namespace descent::optim::detail {

/// The square of a number may leave the range of T. Squares are therefore summed of g, of g·k and
/// of g/k, and the sum that is well inside the range gives the norm.
template <class T>
struct Squares {
  static constexpr double k = sizeof(T) == sizeof(float) ? 0x1p80 : 0x1p600;
  T up = T(k), down = T(1 / k);

  /// The terms of one element, which follow `first` in what measure() returns.
  auto terms(auto first, auto g) const {
    const auto grown = g * up, shrunk = g * down;
    return std::array{first, g * g, grown * grown, shrunk * shrunk};
  }
  /// The norm, from the sums of the terms.
  static double norm(const double* sums) {
    if (sums[1] < 1 / k) return std::sqrt(sums[2]) / k;
    return sums[1] < k ? std::sqrt(sums[1]) : std::sqrt(sums[3]) * k;
  }
};

}  // namespace descent::optim::detail
