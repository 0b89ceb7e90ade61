#!/usr/bin/env bash
# A user compiles the programs of the READMEs by hand, with the usual warnings and no flag of ours:
# compiler and linker say nothing, and each program prints what its README shows.
#   by_hand.sh SOURCE INCLUDE LIBRARY [COMPILER]
set -uo pipefail
source=$(realpath "$1") include=$(realpath "$2") library=$(realpath "$3")
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/../examples" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bash "$examples/readme.sh" extract "$source" "$folder"
cd "$folder"  # some programs write files

compiler=${4:-g++}
bad=0
silent() {  # WHAT COMMAND…: fails, and shows what was said, if the command says anything
  local code=0
  "${@:2}" >"$folder/log" 2>&1 || code=$?
  [ $code -ne 0 ] || [ -s "$folder/log" ] || return 0
  echo "[by_hand] $1: got exit code $code and $(wc -l <"$folder/log") lines, expected 0 and none. The messages:"
  grep -E '(error|warning|note):' "$folder/log" | sed "s|$include/||; s|$folder/||" | sort | uniq -c | sort -rn | head -n 20
  bad=1
  return 1
}
for program in "$folder"/*.cpp; do
  name=$(basename "$program" .cpp)
  silent "$compiler $name.cpp" \
    "$compiler" -std=c++20 -O2 -Wall -Wextra -I "$include" -c "$program" -o "$folder/$name.o" || continue
  silent "linking $name with $compiler" "$compiler" "$folder/$name.o" "$library" \
    -ltbb -lspdlog -lfmt -lz -lopenblas -pthread -o "$folder/$name" || continue
  bash "$examples/readme.sh" run "$folder/$name" "$folder/$name.txt" || bad=1
done
[ $bad -eq 0 ] && echo "no word from $compiler"
exit $bad
