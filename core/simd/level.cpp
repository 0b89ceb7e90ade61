#include <descent/core/error.h>
#include <descent/core/simd/level.h>

#include <cstdlib>

namespace descent::simd {
namespace {

Level supported() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return Level::avx512;
  if (v3) return Level::avx2;
#endif
  return Level::baseline;
}

Level choose() {
  const Level most = supported();
  const char* text = std::getenv("DESCENT_SIMD");
  if (!text) return most;
  for (const Level l : {Level::baseline, Level::avx2, Level::avx512})
    if (to_string(l) == text) return l < most ? l : most;
  fail<ValueError>("DESCENT_SIMD", "got '", text, "', expected baseline, avx2 or avx512");
}

}  // namespace

Level level() {
  static const Level chosen = choose();
  return chosen;
}

std::string_view to_string(Level level) {
  return level == Level::avx512 ? "avx512" : level == Level::avx2 ? "avx2" : "baseline";
}

}  // namespace descent::simd
