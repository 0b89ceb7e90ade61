#!/usr/bin/env bash
# Builds and runs the consumer in this folder. run.sh installed BUILD | run.sh subproject SOURCE
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
case $1 in
  installed)
    cmake --install "$2" --prefix "$folder/prefix" >/dev/null
    cmake -S "$here" -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
    ;;
  subproject)  # as a host that compiles many files as one, and unoptimised: it is the build that is tested
    cmake -S "$here" -B "$folder/build" -DDESCENT_SOURCE="$2" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_UNITY_BUILD=ON \
      -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 >/dev/null
    ;;
esac
cmake --build "$folder/build" --parallel "$(nproc)" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
"$folder/build/consumer"
