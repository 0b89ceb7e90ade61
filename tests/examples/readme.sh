#!/usr/bin/env bash
# The programs of the READMEs compile, run, and print what is shown below each (numbers to 2 %), and
# the table of optimizers is the one made from the cards.
#   readme.sh extract SOURCE FOLDER     writes the programs of every README.md under SOURCE into FOLDER:
#                                       main_1.cpp and its output main_1.txt, autograd_1.cpp, …
#   readme.sh run PROGRAM OUTPUT
#   readme.sh table README DESCENT
#   readme.sh card README DESCENT       the program on the card of lm is one of the README's
# A program is a block ```cpp with an `int main`. If the next block is ```text, it is the output.
set -euo pipefail
case $1 in
  extract)
    mkdir -p "$3"
    (cd "$2" && find . \( -name 'build*' -o -name '.?*' \) -prune -o -name README.md -print | sort) | while read -r readme; do
      name=$(dirname "${readme#./}" | tr / _)
      awk -v path="$3/${name/#./main}" '
        !inside && /^```/ { inside = 1; kind = $0; text = ""; next }
        inside && /^```$/ {
          inside = 0
          file = ""
          if (kind == "```cpp" && text ~ /(^|\n)int main\(/) file = path "_" ++n ".cpp"
          if (kind == "```text" && waiting) file = path "_" n ".txt"
          if (file) { printf "%s", text > file; close(file) }
          waiting = file ~ /cpp$/
          next
        }
        inside { text = text $0 "\n" }' "$2/$readme"
    done
    ;;
  run)
    [ -f "$3" ] || { echo "no block \`\`\`text follows the program: expected its output there"; exit 1; }
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
      echo "The table in $2 is stale. Put the output of 'descent explain --markdown' between its two marks."
      exit 1
    fi
    ;;
  card)
    program=$("$3" explain lm | sed -n 's/^    //; /^#include/,/^}/p')
    [ -n "$program" ] && [[ $(<"$2") == *"$program"* ]] || {
      printf '%s\nThis program, of descent explain lm, is not in %s.\n' "$program" "$2"
      exit 1
    }
    ;;
esac
