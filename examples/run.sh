#!/usr/bin/env bash
# Builds Descent and compares optimizers on handwritten digits. The script passes its arguments on to
# `descent compare`: examples/run.sh --data iris --seeds 3
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/core/cmake/dependencies.sh"
require "${library_packages[@]}" libcli11-dev

build="$root/build/examples"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_TESTS=OFF >"${TMPDIR:-/tmp}/descent-configure.log" 2>&1 ||
  { cat "${TMPDIR:-/tmp}/descent-configure.log" >&2; exit 3; }
echo "Building in $build …" >&2
cmake --build "$build" --parallel "$(nproc)" --target descent_program >"${TMPDIR:-/tmp}/descent-build.log" 2>&1 ||
  { cat "${TMPDIR:-/tmp}/descent-build.log" >&2; exit 3; }
exec "$build/bin/descent" compare --data digits --out "$build" "$@"
