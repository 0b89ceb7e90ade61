#!/usr/bin/env bash
# Makes the API pages of the public headers with Doxygen and fails if a public symbol has no comment, or
# a comment is malformed. Says how many such places each header has.
#   docs.sh SOURCE OUTPUT     OUTPUT holds the Doxyfile that CMake wrote; pages go to OUTPUT/html
set -euo pipefail
source=$1 output=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! command -v doxygen >/dev/null 2>&1; then
  echo "[docs] got no Doxygen. Hint: apt-get install doxygen" >&2
  exit 77
fi
cd "$source"
headers=()
for header in $(bash "$here/public_headers.sh" "$source"); do
  # A header for internal use says so where it opens.
  grep -q '^//.*Internal\.' <<<"$(head -n 5 "$header")" || headers+=("$header")
done
rm -f "$output/warnings"
DESCENT_HEADERS="${headers[*]}" doxygen "$output/Doxyfile" >"$output/log" 2>&1 ||
  { tail -n 20 "$output/log"; exit 1; }

# What needs no comment of its own:
exempt=(
  # copies, moves and destructors, whose meaning the language fixes; overrides, which the base explains
  'Member ([A-Za-z]+)\((const )?\1( <[^>]*>)? ?&'
  'Member (~[A-Za-z]+\(|operator=\()'
  'override \(function\)'
  # the parts that every rule and every wrapper has, which optim/engine/rule.h explains once
  '^optim/(rules|wrappers)[/.].*Member (card|role|elementwise|slot_names|numbers|fields|presets|at|measure|update|minimize|dispatch|apply|evaluate|state)\b'
  # included three times inside a namespace, which Doxygen does not follow
  'include file descent/core/simd/pack.inc not found'
  # included at the end of each built-in rule and wrapper; declares nothing for users
  'include file descent/optim/engine/built_in.inc not found'
  # GoogleTest's macros, and our own, which tests/headers.sh does not let out
  'Member (TEST|TYPED_TEST|INSTANTIATE|REGISTER|GTEST)[A-Z_]*\('
  'Member DESCENT_.*\(macro definition\)'
)
sed "s|^$source/||" "$output/warnings" >"$output/all"
{ grep -vE "$(IFS='|'; echo "${exempt[*]}")" "$output/all" || true; } | sort -u -t: -k1,1 -k2,2n -k3 |
  awk -F: '
    $1 != file {
      file = $1; n = 0; inside = 0; named = 0; delete grouped
      while ((getline line <file) > 0) {
        lines[++n] = line
        if (line ~ /\/\/\/ @name/) named = 1
        if (line ~ /\/\/\/ @\{/) inside = named
        if (line ~ /\/\/\/ @\}/) inside = named = 0
        grouped[n] = inside
      }
      close(file)
    }
    # The comment of one declaration covers all its variables, as in "Hyper beta1 = 0.9, beta2 = 0.999".
    / \(variable\) / && (lines[$2] ~ /\/\/\/</ || lines[$2 - 1] ~ /^ *\/\/\//) { next }
    # The name and the description of a group explain its members.
    /is not documented/ && grouped[$2] { next }
    { print }' >"$output/findings"
if [ -s "$output/findings" ]; then
  cat "$output/findings"
  echo
  cut -d: -f1 "$output/findings" | sort | uniq -c | sort -rn
  echo "[docs] got $(wc -l <"$output/findings") places without a proper comment, expected none. Hint: a /// comment" \
    "above each public symbol. Several alike can share the comment of the first: put '/// @name …' and '/// @{'," \
    "then an empty line, before that comment, and '/// @}' after the last"
  exit 1
fi
echo "$output/html/index.html"
