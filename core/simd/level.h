// The instruction sets that Descent's loops are compiled for, and which of them runs.
#pragma once

#include <string_view>

namespace descent::simd {

/// An instruction set: any x86-64 (16-byte vectors), AVX2 with FMA (32), AVX-512 (64).
enum class Level { baseline, avx2, avx512 };

/// The highest level that this processor has. The environment variable DESCENT_SIMD (baseline, avx2
/// or avx512) lowers it. The level is chosen at the first call and stays the same from then on.
/// Throws ValueError if DESCENT_SIMD has another value.
Level level();

/// "baseline", "avx2" or "avx512".
std::string_view to_string(Level level);

}  // namespace descent::simd
