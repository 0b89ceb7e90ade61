#!/usr/bin/env bash
# The public headers stand alone in a user's program. headers.sh SOURCE
#
# core/cmake/public_headers.sh says which headers are public. For each the script checks that
#   1. it includes standard headers and public headers, and neither core/kernels/ nor a third party's
#      header (conformance.h may include GoogleTest);
#   2. it compiles alone, without a warning, under the compilers that are named, or g++;
#   3. after an entrance none of our macros is defined (conformance.h may define DESCENT_CONFORMANCE).
# The two entrances also compile after macros that other libraries define: Qt's slots, signals and
# emit, the I of <complex.h>, and the usual ones of X11 and Windows. Needs no build.
set -uo pipefail
source=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include/descent" "$work/units" "$work/logs"
for part in core autograd nn optim data descent.h; do
  ln -s "$source/$part" "$work/include/descent/$part"
done
cd "$source" || exit 2
entrances=(descent.h optim/testing/conformance.h)  # every other public header is included by these
bad=0
report() { [ -z "$2" ] || { printf '%s:\n%s\n\n' "$1" "$2"; bad=1; }; }

# ---- which headers are public ----

includes() { sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]+[>"]).*/\1/p' "$1"; }
mapfile -t public < <(bash core/cmake/public_headers.sh "$source")
[ ${#public[@]} -gt 0 ] || { echo '[headers] found no public header'; exit 1; }
for header in "${public[@]}"; do
  while read -r include; do
    case $include in
      '<descent/core/kernels/'*) report 'a public header includes a kernel' "$header: $include" ;;
      '<descent/'*) ;;
      '<gtest/gtest.h>') [ "$header" = optim/testing/conformance.h ] || report "a third party's header" "$header: $include" ;;
      *[./\"]*) report "a third party's header" "$header: $include" ;;  # the standard's have neither dot nor slash
    esac
  done < <(includes "$header")
done

# ---- what is compiled ----

cat >"$work/strangers" <<'END'
#define slots
#define signals
#define emit
#define foreach(a, b) for (a : b)
#define forever for (;;)
#define _Complex_I (__extension__ 1.0iF)
#define I _Complex_I
// X11's
#define None 0L
#define Bool int
#define Status int
#define True 1
#define False 0
#define Success 0
#define Always 2
#define Complex 0
#define Unsorted 0
#define KeyPress 2
#define Expose 12
#define GrayScale 1
#define Above 0
#define Below 1
// Windows's, with NOMINMAX
#define ERROR 0
#define IN
#define OUT
#define OPTIONAL
#define far
#define near
#define small char
#define interface struct
#define DELETE 0x00010000L
#define VOID void
#define BOOL int
#define TRUE 1
#define FALSE 0
#define CONST const
#define IGNORE 0
#define STRICT 1
#define NO_ERROR 0L
#define GetObject GetObjectA
#define Yield()
END
for header in "${public[@]}"; do
  echo "#include <descent/$header>" >"$work/units/${header//\//@}.cpp"
done
for header in "${entrances[@]}"; do
  {
    [ "$header" = descent.h ] || echo '#include <gtest/gtest.h>'  # GoogleTest itself does not bear an I
    # Nor does the standard library bear all of them.
    cat "${public[@]}" | sed -nE 's/^#include (<[a-z_]+>)$/#include \1/p' | grep -v mdspan | sort -u
    cat "$work/strangers"
    echo "#include <descent/$header>"
  } >"$work/units/${header//\//@}+macros.cpp"
done

strict='-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Werror'
check() {  # COMPILER UNIT: leaves a log if the compiler says anything
  local log where=()
  log="$work/logs/$1 $(basename "$2" .cpp)"
  [[ $1 == *clang* ]] || where=(-ftrack-macro-expansion=0)  # an error is where a macro is used
  "$1" "${where[@]}" -std=c++20 -fsyntax-only $strict -I "$work/include" "$2" >"$log" 2>&1 ||
    [ -s "$log" ] || echo "$1 failed without a word" >"$log"
  [ -s "$log" ] || rm "$log"
}
left_over() {  # UNIT: the macros of ours that are defined after this entrance
  local header
  header=$(basename "$1" .cpp)
  g++ -std=c++20 -dM -E -I "$work/include" "$1" 2>/dev/null | awk '{sub(/\(.*/, "", $2); print $2}' | sort -u |
    comm -12 - "$work/ours" |
    { [ "$header" = optim@testing@conformance.h ] && grep -vx DESCENT_CONFORMANCE || cat; } >"$work/logs/macros $header"
  [ -s "$work/logs/macros $header" ] || rm "$work/logs/macros $header"
}
export -f check left_over
export work strict

# Ours are the macros that one of our headers, kernels included, defines.
find core autograd nn optim data descent.h -name '*.h' -exec sed -nE 's/^[[:space:]]*#[[:space:]]*define[[:space:]]+([A-Za-z_0-9]+).*/\1/p' {} + |
  sort -u >"$work/ours"
compilers=("${@:2}")
[ ${#compilers[@]} -gt 0 ] || compilers=(g++)
{
  for unit in "$work"/units/*.cpp; do
    for compiler in "${compilers[@]}"; do
      printf 'check %s %q\0' "$compiler" "$unit"
    done
  done
  for header in "${entrances[@]}"; do
    printf 'left_over %q\0' "$work/units/${header//\//@}.cpp"
  done
} | xargs -0 -P "$(nproc)" -I JOB bash -c JOB

# ---- what was found ----

failed() {  # COMPILER: the headers that do not compile, and the first errors of each
  local log name
  for log in "$work/logs/$1 "*; do
    [ -f "$log" ] || continue
    name=$(basename "$log")
    name=${name#"$1 "}
    name=${name//@//}
    echo "  ${name/+macros/, after the macros of others}"
    grep -E '(error|warning):' "$log" | sed "s|$work/include/descent/||" | sort -u | head -n 3 | sed 's/^/    /'
  done
}
for compiler in "${compilers[@]}"; do
  report "does not compile alone under $compiler" "$(failed "$compiler")"
done
report 'macros of ours that a header leaves defined' \
  "$(for log in "$work/logs/macros "*; do [ ! -f "$log" ] || tr '\n' ' ' <"$log"; done | tr ' ' '\n' | sort -u | sed '/./s/^/  /')"
[ $bad -eq 0 ] && echo "${#public[@]} public headers stand alone under ${compilers[*]}"
exit $bad
