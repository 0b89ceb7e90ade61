// from_chars() of a double, also where the standard library has none: libc++ before 20. There
// Debian's libfast-float-dev takes its place. Internal.
#pragma once

#include <charconv>
#ifndef __cpp_lib_to_chars
#include <fast_float/fast_float.h>
#include <algorithm>
#include <cmath>
#endif

namespace descent::detail {

/// std::from_chars(first, last, x).
inline std::from_chars_result from_chars(const char* first, const char* last, double& x) {
#ifdef __cpp_lib_to_chars
  return std::from_chars(first, last, x);
#else
  double read = 0;
  const auto [end, error] = fast_float::from_chars(first, last, read);
  if (error != std::errc()) return {end, error};
  // A number that is too large or too small reads as ∞ or 0 there, and is an error here.
  const bool has_digit =
      std::any_of(first, std::find_if(first, end, [](char c) { return c == 'e' || c == 'E'; }),
                  [](char c) { return c >= '1' && c <= '9'; });
  if (has_digit && (read == 0 || std::isinf(read))) return {end, std::errc::result_out_of_range};
  x = read;
  return {end, error};
#endif
}

}  // namespace descent::detail
