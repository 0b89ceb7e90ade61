#!/usr/bin/env bash
# Builds the benchmarks and prints, as a table in Markdown, the time of each workload's step, eager
# and compiled, beside other programs: medians of runs that take turns, so that a noisy machine
# disturbs all alike. Run nothing else meanwhile.
#
#   tests/bench/run.sh [--peers DIR] [--workloads tiny,digits] [--threads 1,2] [--seconds 0.5] [--repeats 5]
#
# DIR holds programs that take --workload, --threads and --seconds and print a line as descent_bench
# does (limit, libtorch, dlib_peer, …), or a CMake project that builds them. With a program named
# `limit`, hand-written code for the same steps, the other columns are ratios to it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/core/cmake/dependencies.sh"

peers='' threads=1,2 seconds=0.5 repeats=5
workloads=$(echo tiny digits mnist_s mnist_m adam_paper wide deep pinn sam_mnist_s \
  optim_{sgd,momentum,adagrad,rmsprop,adam,adamw}_{1x10M,100x10k} \
  elementwise_{tanh,exp,gelu,softmax}_1M elementwise_{tanh,exp,gelu,softmax}_1M:bwd chain1000 | tr ' ' ,)
while [ $# -gt 0 ]; do
  if [ $# -lt 2 ]; then
    echo "[bench] got $1 without a value. Hint: the first lines of this script" >&2
    exit 2
  fi
  case $1 in
    --peers) peers=$(cd "$2" && pwd) ;;
    --workloads) workloads=$2 ;;
    --threads) threads=$2 ;;
    --seconds) seconds=$2 ;;
    --repeats) repeats=$2 ;;
    *) echo "[bench] got $1, expected --peers, --workloads, --threads, --seconds or --repeats" >&2; exit 2 ;;
  esac
  shift 2
done

require "${library_packages[@]}" libbenchmark-dev
build="$root/build/release"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_BENCH=ON >&2
cmake --build "$build" --parallel "$(nproc)" --target descent_bench >&2

names=() commands=()
if [ -n "$peers" ]; then
  if [ -f "$peers/CMakeLists.txt" ]; then
    cmake -S "$peers" -B "$root/build/peers" -DCMAKE_BUILD_TYPE=Release >&2
    cmake --build "$root/build/peers" --parallel "$(nproc)" >&2
    peers="$root/build/peers"
  fi
  for name in limit libtorch dlib_peer eigen_peer fann_peer; do
    [ -x "$peers/$name" ] && names+=("$name") && commands+=("$peers/$name")
  done
fi
names+=(eager compiled)
commands+=("$build/bin/descent_bench" "$build/bin/descent_bench --mode compiled")

median() { sort -g | awk '{x[NR] = $1} END {if (NR) print x[int((NR + 1) / 2)]; else print "-"}'; }

echo "| workload | threads | ${names[*]} |" | sed 's/\([a-z]\) \([a-z]\)/\1 | \2/g; s/limit/limit µs/'
printf '|---|---|'
for _ in "${names[@]}"; do printf -- '---|'; done
echo
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for load in ${workloads//,/ }; do
  for t in ${threads//,/ }; do
    rm -f "$results"/*
    for ((r = 0; r < repeats; ++r)); do
      for i in "${!names[@]}"; do
        # shellcheck disable=SC2086
        timeout 120 ${commands[$i]} --workload "${load%:*}" --threads "$t" --seconds "$seconds" \
          $([[ $load == *:* ]] && echo --variant "${load#*:}") 2>/dev/null |
          awk -v w="${load%:*}" '$2 == w {print $4}' >>"$results/${names[$i]}" || true
      done
    done
    base=$([ -s "$results/limit" ] && median <"$results/limit" || echo -)
    printf '| %s | %s |' "${load/:bwd/ and back}" "$t"
    for name in "${names[@]}"; do
      time=$(median <"$results/$name")
      if [ "$time" = - ]; then
        printf ' |'
      elif [ "$name" = limit ] || [ "$base" = - ]; then
        awk -v t="$time" 'BEGIN {printf t < 100 ? " %.1f |" : " %.0f |", t}'
      else
        awk -v t="$time" -v b="$base" 'BEGIN {printf " %.2f |", t / b}'
      fi
    done
    echo
  done
done
