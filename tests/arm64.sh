#!/usr/bin/env bash
# Builds the library for aarch64 with Debian's cross compiler and arm64 packages, and runs the unit tests in qemu.
# Installs what it needs, as root or by sudo. Takes about ten minutes on two cores, so no other script runs it.
# Arguments go to the test programs: tests/arm64.sh --gtest_filter='Random*'
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/core/cmake/dependencies.sh"
require cmake make g++-aarch64-linux-gnu qemu-user nlohmann-json3-dev
if ! dpkg --print-foreign-architectures | grep -qx arm64; then
  sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $sudo dpkg --add-architecture arm64
  $sudo apt-get update -qq
fi
require lib{openblas,tbb,spdlog,gtest}-dev:arm64 zlib1g-dev:arm64

build="$root/build/arm64"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_EXAMPLES=OFF -DDESCENT_TESTS=ON \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
parts=(core autograd nn optim data)
cmake --build "$build" --parallel "$(nproc)" --target "${parts[@]/%/_tests}"
# Left out: tests that start their own program once more, which needs a kernel that knows the emulator.
starts_itself='Warnings.*:Memory.OfStaticObjects*:Memory.ThatLacksWhenTheThreadsStart*:Levels.AnOptimizerGives*'
failed=()
for part in "${parts[@]}"; do
  echo "[arm64] $part"
  (cd "$build/tests" && qemu-aarch64 "./${part}_tests" --gtest_brief=1 "--gtest_filter=-$starts_itself" "$@") ||
    failed+=("$part")
done

# Every optimizer has the bits that it has on x86-64 without AVX, but for those that core/README.md names.
native=$root/build/release/tests/optim_tests
if [ "$(uname -m)" = x86_64 ] && [ -x "$native" ]; then
  bits() { "$@" --gtest_filter=Levels.AnOptimizerRepeatsItsBits | grep '^bits' | grep -vE ' (muon|soap|shampoo|cmaes|lm|gauss_newton|natural_gradient|spring|agc|clip_norm|sam|asam|gsam|looksam|all_wrappers|other_wrappers)_'; }
  diff <(DESCENT_SIMD=baseline bits "$native") <(bits qemu-aarch64 "$build/tests/optim_tests") || failed+=("bits")
fi
[ ${#failed[@]} -eq 0 ] && echo "[arm64] all tests passed" && exit 0
echo "[arm64] failed: ${failed[*]}"
exit 1
