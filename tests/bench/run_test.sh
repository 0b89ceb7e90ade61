#!/usr/bin/env bash
# Tests run.sh with programs that only pretend to measure, in a folder whose name has a space: the
# table has every figure, a program that fails is named, and libtorch gets tcmalloc. Builds nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
house="$folder/a house" peers="$folder/some peers" tools="$folder/tools"
mkdir -p "$house/tests/bench" "$house/core/cmake" "$house/build/release/bin" "$peers" "$tools"
cp "$here/run.sh" "$house/tests/bench"
echo 'require() { :; }; library_packages=()' >"$house/core/cmake/dependencies.sh"

program() {  # FILE LINE…: a script of these lines, which know "$@" as $all
  printf '%s\n' '#!/usr/bin/env bash' 'all="$*"' "${@:2}" >"$1"
  chmod +x "$1"
}
program "$tools/cmake" ':'
program "$tools/ldconfig" ':'
program "$house/build/release/bin/descent_bench" \
  'case $all in *compiled*) us=50 ;; *) us=150 ;; esac' 'echo "descent tiny 1 $us 1 1 0.5"'
program "$peers/limit" 'echo "limit tiny 1 100 1 1 0.5"'
program "$peers/dlib_peer" 'exit 3'
program "$peers/libtorch" 'case $all in *--torch-threads*) us=200 ;; *) us=300 ;; esac' \
  '[ -z "${LD_PRELOAD:-}" ] || us=700' 'echo "libtorch tiny 1 $us 1 1 0.5"'

bad=0
run() {
  code=0
  PATH="$tools:$PATH" bash "$house/tests/bench/run.sh" --peers "$peers" --workloads tiny --threads "$1" \
    --repeats 3 >"$folder/table" 2>"$folder/errors" || code=$?
}
expect() {  # WHAT FILE TEXT
  grep -qF -- "$3" "$folder/$2" || { echo "$1: expected in $2: $3"; echo "got:"; cat "$folder/$2"; bad=1; }
}
expect_code() { [ "$code" -eq "$2" ] || { echo "$1: got exit code $code, expected $2"; cat "$folder/errors"; bad=1; }; }

run 1
expect_code 'programs that work' 0
expect 'the heading says what libtorch lacks' table \
  '| workload | threads | limit µs | libtorch without tcmalloc | dlib | Descent eager | Descent compiled |'
expect 'every column has its figure, in multiples of limit' table '| tiny | 1 | 100 | 3.00 | – | 1.50 | 0.50 |'

run 2
expect 'the best way of dividing threads counts' table '| tiny | 2 | 100 | 2.00 | – | 1.50 | 0.50 |'

# Some library that can be preloaded stands for tcmalloc.
library=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | awk '/libm\.so\.6 / && !found {print $NF; found = 1}')
program "$tools/ldconfig" "echo '	libtcmalloc_minimal.so.4 (libc6,x86-64) => $library'"
run 1
expect 'libtorch gets tcmalloc' table '| limit µs | libtorch | dlib |'
expect 'only libtorch gets tcmalloc' table '| tiny | 1 | 100 | 7.00 | – | 1.50 | 0.50 |'

program "$peers/libtorch" 'echo "libtorch: no such library" >&2' 'exit 7'
run 1
expect_code 'a program that fails' 1
expect 'a failed program has no figure' table '| tiny | 1 | 100 | failed | – | 1.50 | 0.50 |'
expect 'its name and code are told' errors '[bench] libtorch failed for tiny with 1 threads: exit code 7'
expect 'its last lines are told' errors 'libtorch: no such library'

program "$peers/libtorch" 'echo "all is well"'
run 1
expect_code 'a program that prints no time' 1
expect 'a program without a time is told' errors '[bench] libtorch printed no time for tiny'

program "$peers/limit" 'exit 1'
run 1
expect 'without limit the columns are times' table '| tiny | 1 | failed | failed | – | 150 | 50.0 |'

[ $bad -eq 0 ] && echo "the table has its figures"
exit $bad
