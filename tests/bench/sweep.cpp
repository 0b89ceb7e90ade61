// Compares every function of one variable with the C++ library in double, at every float, and
// prints a table of the largest errors.
//
//   sweep             every float, every function
//   sweep 64 tanh     every 64th float, one function
#include "tests/support/sweep.h"

#include <cstdio>

int main(int argc, char** argv) {
  using namespace descent::testing;
  const std::int64_t stride = argc > 1 ? std::stoll(argv[1]) : 1;
  std::printf(
      "| Function | ulps | at | gradient, 2⁻²⁴ | at | falls by | at | NaN "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (const Swept& f : swept()) {
    if (argc > 2 && f.name != argv[2]) continue;
    const Sweep s = sweep(f, stride);
    std::printf("| `%s` | %.3g | %.9g | %.3g | %.9g | %.3g | %.9g | %lld |\n", f.name.c_str(),
                s.ulps, static_cast<double>(s.ulps_at), s.slope, static_cast<double>(s.slope_at),
                s.fall, static_cast<double>(s.fall_at), static_cast<long long>(s.lost));
    std::fflush(stdout);
  }
}
