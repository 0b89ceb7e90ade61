#!/usr/bin/env bash
# Builds and runs every test, after installing what is missing. Arguments go to ctest:
# tests/run.sh -R optim
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/core/cmake/dependencies.sh"
require "${library_packages[@]}" libcli11-dev libgtest-dev valgrind doxygen pkg-config python3 libeigen3-dev

build="$root/build/release"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_TESTS=ON -DDESCENT_EXAMPLES=ON >/dev/null
cmake --build "$build" --parallel "$(nproc)"
cd "$build"
ctest --output-on-failure --parallel "$(nproc)" --no-tests=error "$@"
