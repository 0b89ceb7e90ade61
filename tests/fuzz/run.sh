#!/usr/bin/env bash
# Builds the fuzzers with clang and runs each for some seconds, side by side on the cores:
# run.sh SECONDS [NAME…]. Prints executions and findings, and fails if there is a finding.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build="$root/build/fuzz"
seconds=${1:?run.sh SECONDS [NAME…]}
shift
. "$root/core/cmake/dependencies.sh"
require "${library_packages[@]}" clang libcli11-dev libgtest-dev

names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(ls "$root/tests/fuzz/corpus")
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" \
  -DCMAKE_CXX_COMPILER=clang++ -DDESCENT_SANITIZE=address,undefined,fuzzer-no-link -DDESCENT_TESTS=ON \
  -DDESCENT_EXAMPLES=ON >/dev/null
cmake --build "$build" --parallel "$(nproc)" --target "${names[@]/#/fuzz_}" >"$build/log" || { cat "$build/log"; exit 1; }

# One fuzzer. New inputs go to build/fuzz/corpus/NAME and are used again by the next run.
fuzz() {
  local name=$1 log="$build/$1.log"
  mkdir -p "$build/corpus/$name" "$build/findings"
  local code=0
  # use_poisoned: blocks in free lists are poisoned, and no leaks.
  ASAN_OPTIONS=allocator_may_return_null=1 LSAN_OPTIONS=use_poisoned=1 UBSAN_OPTIONS=print_stacktrace=1 DESCENT_NUM_THREADS=1 \
    "$build/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
    "$build/corpus/$name" "$root/tests/fuzz/corpus/$name" >"$log" 2>&1 || code=$?
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "$code" -eq 0 ]; then
    echo "$name: ${runs:-0} executions, no finding"
  else
    echo "$name: ${runs:-?} executions, a finding: see $log"
    grep -aE '^(broken promise|SUMMARY|artifact_prefix|.*runtime error|terminate|  what)' "$log" | head -5
    return 1
  fi
}
export -f fuzz
export build root seconds
printf '%s\0' "${names[@]}" | xargs -0 -P "$(nproc)" -I NAME bash -c 'fuzz NAME'
