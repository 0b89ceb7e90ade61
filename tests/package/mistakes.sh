#!/usr/bin/env bash
# The compiler names the mistakes that the author of a rule or wrapper may make: see mistakes.cpp.
#   mistakes.sh INCLUDE [COMPILER]
set -uo pipefail
include=$1 compiler=${2:-g++}
file=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/mistakes.cpp
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if ! "$compiler" -std=c++20 -fsyntax-only -I "$include" "$file" >"$folder/0" 2>&1; then
  echo "[mistakes] got an error without a mistake, expected none:"
  head -n 20 "$folder/0"
  exit 1
fi
sed -nE 's/^#el?if MISTAKE == ([0-9]+) +\/\/ (.*)$/\1 \2/p' "$file" >"$folder/expected"
cut -d ' ' -f 1 "$folder/expected" | xargs -P "$(nproc)" -I '{}' bash -c \
  '"$1" -std=c++20 -fsyntax-only -I "$2" -DMISTAKE="$3" "$4" >"$5/$3" 2>&1' _ "$compiler" "$include" '{}' "$file" "$folder"
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
