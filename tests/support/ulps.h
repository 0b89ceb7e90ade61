// How far a number is from the truth, in units of its last place.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace descent::testing {

/// |got − truth|, in units of the last place that `truth` has as a T. A subnormal truth counts in
/// units of the smallest normal number's last place. Infinite if only one of both is NaN or
/// infinite.
template <class T>
double ulps(T got, long double truth) {
  const T rounded = static_cast<T>(truth);
  if (std::isnan(truth)) return std::isnan(got) ? 0 : HUGE_VAL;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : HUGE_VAL;
  const T size = std::max(std::fabs(rounded), std::numeric_limits<T>::min());
  const T ulp = std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - truth) /
                             static_cast<long double>(ulp));
}

}  // namespace descent::testing
