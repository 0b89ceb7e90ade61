#!/usr/bin/env bash
# Every claim of the program descent holds, the same at one thread and two. claims.sh DESCENT
set -uo pipefail
descent=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0
wrong() { echo "$*"; failures=$((failures + 1)); }

DESCENT_NUM_THREADS=2 "$descent" claims --out two >two.txt 2>/dev/null || wrong "exit code $?, expected 0"
DESCENT_NUM_THREADS=1 "$descent" claims --out one >one.txt 2>/dev/null || wrong "exit code $?, expected 0"
cat two.txt
[ "$(grep -c '^holds ' two.txt)" -eq 17 ] || wrong "not 17 claims hold"
diff <(sed 's#one/##' one.txt) <(sed 's#two/##' two.txt) || wrong "figures differ between one thread and two"

# The pages differ in the one picture that shows seconds.
without_seconds() { awk '/<svg viewBox/ { chart = ""; inside = 1 } inside { chart = chart $0 "\n" } !inside
  /<\/svg>$/ && inside && chart ~ /aria-label/ { depth = gsub(/<svg /, "<svg ", chart) - gsub(/<\/svg>/, "</svg>", chart)
  if (depth == 0) { if (chart !~ /seconds/) printf "%s", chart; inside = 0 } }' "$1"; }
without_seconds one/claims.html >one.html
without_seconds two/claims.html >two.html
[ "$(grep -c '<svg viewBox' two.html)" -ge 30 ] || wrong "pictures are missing"
cmp one.html two.html || wrong "pages differ between one thread and two"
! grep -qE 'https?://' <(sed 's#http://www.w3.org/2000/svg##g' two/claims.html) || wrong "the page needs a network"
[ "$(stat -c %s two/claims.html)" -lt 2000000 ] || wrong "the page has 2 MB or more"

"$descent" claims --only saddle,rmsprop --out some >some.txt 2>/dev/null || wrong "--only: exit code $?, expected 0"
[ "$(cut -c16-22 some.txt | head -2 | tr '\n' ' ')" = "saddle  rmsprop " ] || wrong "--only gave $(cat some.txt)"
output=$("$descent" claims --only sadle 2>&1)
[ $? -eq 2 ] || wrong "--only sadle: expected exit code 2"
grep -qF "did you mean 'saddle'" <<<"$output" || wrong "--only sadle: $output"
output=$("$descent" claims --only saddle --out some/claims.html 2>&1)
[ $? -eq 3 ] || wrong "--out at a file: expected exit code 3, got $output"

[ $failures -eq 0 ] && echo "all as expected"
exit $((failures > 0))
