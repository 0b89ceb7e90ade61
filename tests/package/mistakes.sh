#!/usr/bin/env bash
# The compiler names the mistakes that the author of a rule or wrapper may make: see mistakes.cpp.
#   mistakes.sh INCLUDE [COMPILER]
set -uo pipefail
include=$1 compiler=${2:-g++}
file=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/mistakes.cpp
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The headers are compiled once, as each mistake includes them.
case $("$compiler" --version) in *clang*) ending=pch ;; *) ending=gch ;; esac
grep '^#include' "$file" >"$folder/headers.h"
"$compiler" -std=c++20 -I "$include" -x c++-header "$folder/headers.h" -o "$folder/headers.h.$ending"

compile() {  # FLAG…
  "$compiler" -std=c++20 -fsyntax-only -I "$include" -include "$folder/headers.h" "$@" "$file"
}
if ! compile >"$folder/0" 2>&1; then
  echo "[mistakes] got an error without a mistake, expected none:"
  head -n 20 "$folder/0"
  exit 1
fi
sed -nE 's/^#el?if MISTAKE == ([0-9]+) +\/\/ (.*)$/\1 \2/p' "$file" >"$folder/expected"
export -f compile
export compiler include file folder
cut -d ' ' -f 1 "$folder/expected" | xargs -P "$(nproc)" -I '{}' bash -c 'compile -DMISTAKE={} >"$folder/{}" 2>&1'
bad=0
while read -r number text; do
  grep -E "(error|static assertion)" "$folder/$number" | grep -F -- "$text" >/dev/null && continue
  echo "[mistakes] $number: got these lines, expected '$text':"
  grep error "$folder/$number" | head -n 5
  bad=1
done <"$folder/expected"
count=$(wc -l <"$folder/expected")
[ "$count" -gt 20 ] || { echo "[mistakes] got $count mistakes in $file, expected more than 20"; exit 1; }
[ $bad -eq 0 ] && echo "$compiler names $count mistakes"
exit $bad
