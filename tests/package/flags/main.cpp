// Several files with different compiler flags use one rule. The program must link, and every file
// must compute the same bits.
#include "rule.h"

#include <cstdio>

int main() {
  const std::vector<double> plain = train_plain(), fast = train_fast();
  std::vector<double> avx2 = plain;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) avx2 = train_avx2();
  if (plain == fast && plain == avx2) return 0;
  std::puts("the files disagree");
  return 1;
}
