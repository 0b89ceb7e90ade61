#!/usr/bin/env bash
# What the smallest training program costs: seconds to compile, size, milliseconds to the first step, peak memory.
# Descent beside libtorch, if libtorch-dev is there; the two take turns. Run nothing else meanwhile.
#
#   tests/bench/hello.sh [ROUNDS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/release
. "$root/core/cmake/dependencies.sh"
require "${library_packages[@]}" time
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --parallel "$(nproc)" --target descent >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

descent=(-I "$build/include" "$build/libdescent.a" -Wl,--gc-sections -ltbb -lspdlog -lfmt -lz -lopenblas -pthread)
torch=/usr/include/torch/csrc/api/include
libtorch=(-DHELLO_LIBTORCH -I "$torch" -ltorch -ltorch_cpu -lc10)
names=(descent)
[ ! -d $torch ] || names+=(libtorch)

seconds() { date +%s.%N; }
since() { awk -v a="$1" -v b="$2" -v by="$3" 'BEGIN { printf "%.2f\n", (b - a) * by }'; }
median() { sort -n "$1" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
for _ in $(seq "${1:-5}"); do
  for name in "${names[@]}"; do
    declare -n flags=$name
    begin=$(seconds)
    g++ -std=c++20 -O2 -w "$root/tests/bench/hello.cpp" -o "$folder/$name" "${flags[@]}"
    since "$begin" "$(seconds)" 1 >>"$folder/$name.compile"
    strip "$folder/$name"
    for _ in 1 2 3; do
      begin=$(seconds)
      since "$begin" "$("$folder/$name")" 1000 >>"$folder/$name.start"
      /usr/bin/time -f %M "$folder/$name" 2>&1 >/dev/null | awk '{ print $1 / 1024 }' >>"$folder/$name.peak"
    done
  done
done
echo "| Program | compile, s | stripped, MB | shared libraries, MB | first step after, ms | peak memory, MB |"
echo "|---|---|---|---|---|---|"
for name in "${names[@]}"; do
  libraries=$(ldd "$folder/$name" | awk '/=> \// { print $3 }' | xargs readlink -f | sort -u | xargs stat -c %s | awk '{ s += $1 } END { print s }')
  printf '| %s | %.2f | %.2f | %.0f | %.1f | %.1f |\n' "$name" "$(median "$folder/$name.compile")" \
    "$(awk -v n="$(stat -c %s "$folder/$name")" 'BEGIN { print n / 1e6 }')" \
    "$(awk -v n="$libraries" 'BEGIN { print n / 1e6 }')" "$(median "$folder/$name.start")" "$(median "$folder/$name.peak")"
done
