// How layers check the extents that they are given. Internal.
#pragma once

#include <descent/core/error.h>

#include <cstdint>

namespace descent::nn::detail {

/// Returns n. If n < 1, throws ValueError. The error names the layer and says what n is.
inline std::int64_t positive(const char* layer, const char* what, std::int64_t n) {
  if (n < 1) fail<ValueError>(layer, "got ", what, " = ", n, ", expected 1 or more");
  return n;
}

}  // namespace descent::nn::detail
