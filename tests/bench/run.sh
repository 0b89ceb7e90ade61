#!/usr/bin/env bash
# Builds the benchmarks and prints, as a table in Markdown, the time of each workload's step in
# Descent, eager and compiled, beside other programs. All programs take turns and a cell is the median
# of its repeats, so that a noisy machine disturbs all programs alike. Run nothing else meanwhile.
#
#   tests/bench/run.sh [--peers DIR] [--workloads tiny,digits] [--threads 1,2] [--seconds 0.5] [--repeats 5]
#
# DIR holds the other programs (limit, libtorch, dlib_peer, eigen_peer, fann_peer), or a CMake project
# that builds them. Such a program takes --workload, --threads and --seconds, prints a line as
# descent_bench does, and exits with 3 if it does not know the workload. If DIR has `limit`, code
# written by hand for the same steps, the other columns are multiples of its time.
#
# Cells: a number; – for a workload that the program does not know; 'failed' for a program that
# failed, whose exit code and last lines go to stderr. After a failure the script exits with 1.
#
# libtorch runs at its best: with tcmalloc preloaded, and with more than one thread in three ways of
# dividing the threads between libtorch and its BLAS, of which the fastest counts.
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

require "${library_packages[@]}" libcli11-dev libgtest-dev
build="$root/build/release"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_TESTS=ON >&2
cmake --build "$build" --parallel "$(nproc)" --target descent_bench >&2

# The table's columns: a name, a heading, a program.
names=() headings=() programs=()
column() { names+=("$1") headings+=("$2") programs+=("$3"); }

tcmalloc=''
if [ -n "$peers" ]; then
  if [ -f "$peers/CMakeLists.txt" ]; then
    cmake -S "$peers" -B "$root/build/peers" -DCMAKE_BUILD_TYPE=Release >&2
    cmake --build "$root/build/peers" --parallel "$(nproc)" >&2
    peers="$root/build/peers"
  fi
  tcmalloc=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p |
    awk '/libtcmalloc(_minimal)?\.so\.4 / && !found {print $NF; found = 1}')
  for name in limit libtorch dlib_peer eigen_peer fann_peer; do
    heading=${name%_peer}
    [ "$name" = limit ] && heading='limit µs'
    [ "$name" = libtorch ] && [ -z "$tcmalloc" ] && heading='libtorch without tcmalloc'
    [ ! -x "$peers/$name" ] || column "$name" "$heading" "$peers/$name"
  done
fi
column eager 'Descent eager' "$build/bin/descent_bench"
column compiled 'Descent compiled' "$build/bin/descent_bench"

setups() {  # NAME THREADS: the sets of options to try, one a line
  case $1 in
    compiled) echo '--mode compiled' ;;
    libtorch)
      echo ''
      [ "$2" = 1 ] || printf '%s\n' '--blas-threads 1' '--torch-threads 1'
      ;;
    *) echo '' ;;
  esac
}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failures=0

run_once() {  # NAME PROGRAM LOAD THREADS SETUP: adds a time to the file of this name and set-up
  local name=$1 program=$2 load=$3 t=$4 setup=$5 code=0 time
  local command=(timeout 120)
  [ "$name" = libtorch ] && [ -n "$tcmalloc" ] && command+=(env "LD_PRELOAD=$tcmalloc")
  command+=("$program" --workload "${load%:*}" --threads "$t" --seconds "$seconds")
  [[ $load == *:* ]] && command+=(--variant "${load#*:}")
  # shellcheck disable=SC2206  # the options of a set-up are words without spaces
  command+=($setup)
  "${command[@]}" >"$results/output" 2>"$results/errors" </dev/null || code=$?
  time=$(awk -v w="${load%:*}" '$2 == w {print $4}' "$results/output")
  if [ $code -eq 0 ] && [[ $time =~ ^[0-9] ]]; then
    echo "$time" >>"$results/$name.times $setup"
  elif [ $code -eq 3 ]; then
    touch "$results/$name.unknown"
  else
    touch "$results/$name.failed"
    failures=$((failures + 1))
    {
      if [ $code -eq 0 ]; then
        echo "[bench] $name printed no time for $load with $t threads. Its last lines:"
      elif [ $code -eq 124 ]; then
        echo "[bench] $name took longer than 120 s for $load with $t threads. Its last lines:"
      else
        echo "[bench] $name failed for $load with $t threads: exit code $code. Its last lines:"
      fi
      cat "$results/output" "$results/errors" | tail -n 5 | sed 's/^/  /'
    } >&2
  fi
}

median() { sort -g "$1" | awk '{x[NR] = $1} END {print x[int((NR + 1) / 2)]}'; }

best() {  # NAME: the smallest median of the set-ups
  local file
  for file in "$results/$1.times "*; do
    [ ! -f "$file" ] || median "$file"
  done | sort -g | head -n 1
}

printf '| workload | threads |'
printf ' %s |' "${headings[@]}"
printf '\n|---|---|'
printf -- '---|%.0s' "${names[@]}"
echo
for load in ${workloads//,/ }; do
  for t in ${threads//,/ }; do
    rm -f "$results"/*
    for ((r = 0; r < repeats; ++r)); do
      for i in "${!names[@]}"; do
        mapfile -t tried < <(setups "${names[$i]}" "$t")
        for setup in "${tried[@]}"; do
          [ -e "$results/${names[$i]}.failed" ] || [ -e "$results/${names[$i]}.unknown" ] ||
            run_once "${names[$i]}" "${programs[$i]}" "$load" "$t" "$setup"
        done
      done
    done
    base=$([ -e "$results/limit.failed" ] || best limit)
    printf '| %s | %s |' "${load/:bwd/ and back}" "$t"
    for name in "${names[@]}"; do
      time=$(best "$name")
      if [ -e "$results/$name.failed" ]; then
        printf ' failed |'
      elif [ -z "$time" ]; then
        printf ' – |'
      elif [ "$name" = limit ] || [ -z "$base" ]; then
        awk -v t="$time" 'BEGIN {printf t < 100 ? " %.1f |" : " %.0f |", t}'
      else
        awk -v t="$time" -v b="$base" 'BEGIN {printf " %.2f |", t / b}'
      fi
    done
    echo
  done
done
if [ $failures -gt 0 ]; then
  echo "[bench] $failures runs failed; their cells say 'failed'" >&2
  exit 1
fi
