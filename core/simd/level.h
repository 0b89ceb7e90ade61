// The instruction sets that Descent's loops are compiled for, and which of them runs.
#pragma once

#include <string_view>

namespace descent::simd {

/// An instruction set. `baseline` is what every x86-64 has, with vectors of 16 bytes. `avx2` is
/// AVX2 with FMA, with vectors of 32 bytes. `avx512` is AVX-512, with vectors of 64 bytes.
enum class Level { baseline, avx2, avx512 };

/// Returns the highest level that this processor has. If the environment variable DESCENT_SIMD
/// names a lower level (baseline, avx2 or avx512), returns the lower one. The first call decides,
/// and later calls return the same. Throws ValueError if DESCENT_SIMD has another value.
Level level();

/// The name of a level: "baseline", "avx2" or "avx512".
std::string_view to_string(Level level);

}  // namespace descent::simd
