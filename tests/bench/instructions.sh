#!/usr/bin/env bash
# Counts the instructions of one step with callgrind and compares them with those noted in
# instructions.txt: a step that became 5 % more expensive fails, whatever the machine's noise. Under
# valgrind kernels run as AVX2. The numbers belong to one compiler; with another there is nothing to
# compare, and that is said.
#
#   instructions.sh PROGRAM COMPILER           compare
#   instructions.sh PROGRAM COMPILER --note    write the numbers anew
set -euo pipefail
program=$1 compiler=$2 noted="$(dirname "${BASH_SOURCE[0]}")/instructions.txt"
export DESCENT_SIMD=avx2 OPENBLAS_NUM_THREADS=1

count() {  # workload mode steps
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" --workload "$1" --mode "$2" --threads 1 \
    --steps "$3" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

if [ "${3:-}" = --note ]; then
  echo "$compiler" >"$noted"
elif [ "$(head -1 "$noted")" != "$compiler" ]; then
  echo "[instructions] noted for $(head -1 "$noted"), this is $compiler: not compared"
  exit 77
fi
failed=0
for load in tiny digits; do
  for mode in eager compiled; do
    few=$(count $load $mode 30) many=$(count $load $mode 130)
    step=$(((many - few) / 100))
    if [ "${3:-}" = --note ]; then
      echo "$load $mode $step" | tee -a "$noted"
      continue
    fi
    before=$(awk -v l=$load -v m=$mode '$1 == l && $2 == m {print $3}' "$noted")
    echo "$load $mode: $step instructions a step, noted $before"
    if [ $((step * 100)) -gt $((before * 105)) ]; then
      echo "[instructions] got $step for $load $mode, expected at most 5 % more than $before. Hint: find out why," \
        "or note the new number with --note and say so" >&2
      failed=1
    fi
  done
done
exit $failed
