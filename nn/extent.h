// The check that layers make of their extents. Internal.
#pragma once

#include <descent/core/error.h>

#include <cstdint>

namespace descent::nn::detail {

/// n itself. Throws ValueError, which names the layer and what n is, for n < 1.
inline std::int64_t positive(const char* layer, const char* what, std::int64_t n) {
  if (n < 1) fail<ValueError>(layer, "got ", what, " = ", n, ", expected 1 or more");
  return n;
}

}  // namespace descent::nn::detail
