#!/usr/bin/env bash
# The README's programs compile, run, and print what it says (numbers to 2 %), and its table of
# optimizers is the one made from the cards.
#   readme.sh extract README FOLDER     writes FOLDER/program1.cpp, output1.txt, program2.cpp, …
#   readme.sh run PROGRAM OUTPUT
#   readme.sh table README DESCENT
set -euo pipefail
case $1 in
  extract)
    mkdir -p "$3"
    awk -v folder="$3" '
      /^```cpp$/ { if (++n) file = folder "/program" n ".cpp"; printf "" > file; next }
      /^```text$/ { file = folder "/output" n ".txt"; printf "" > file; next }
      /^```/ { file = ""; next }
      file { print > file }' "$2"
    ;;
  run)
    "$2" | awk -v expected="$3" '
      {
        if ((getline line < expected) <= 0) { print "more output than the README shows: " $0; bad = 1; next }
        n = split(line, want, " "); m = split($0, got, " ")
        same = n == m
        for (i = 1; same && i <= n; ++i) {
          number = want[i] ~ /^[\[]?-?[0-9.]+,?\]?$/
          a = want[i]; b = got[i]; gsub(/[\[\],]/, "", a); gsub(/[\[\],]/, "", b)
          same = number ? (a - b <= 0.02 * (a < 0 ? -a : a) + 1e-6 && b - a <= 0.02 * (a < 0 ? -a : a) + 1e-6) : want[i] == got[i]
        }
        if (!same) { print "the README shows:  " line "\nthe program said:  " $0; bad = 1 }
      }
      END { if ((getline line < expected) > 0) { print "less output than the README shows: " line; bad = 1 }; exit bad }'
    ;;
  table)
    if ! diff <(awk '/^<!-- optimizers -->$/ { on = 1; next } /^<!-- \/optimizers -->$/ { on = 0 } on' "$2") <("$3" explain --markdown); then
      echo "The README's table is stale. Put the output of 'descent explain --markdown' between its two marks."
      exit 1
    fi
    ;;
esac
