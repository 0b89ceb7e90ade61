#!/usr/bin/env bash
# What Descent writes, read by others: the header of C by several compilers, the ONNX file by
# onnxruntime and OpenCV, arrays by NumPy; NumPy's files and PyTorch's networks, read by Descent; and memory that
# NumPy and PyTorch share with Descent by DLPack. Installs what it needs.
# run.sh [BUILD_FOLDER]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build/release}
. "$root/core/cmake/dependencies.sh"
require "${library_packages[@]}" libcli11-dev libgtest-dev gcc clang python3 python3-numpy python3-onnx python3-opencv python3-torch \
  python3-dev
command -v npm >/dev/null || require nodejs npm
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDESCENT_EXAMPLES=ON -DDESCENT_TESTS=ON >/dev/null
cmake --build "$build" --parallel "$(nproc)" --target descent_program interop_arrays interop_pytorch >/dev/null
descent=$build/bin/descent
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
(npm install --ignore-scripts --silent --no-audit --no-fund onnxruntime-node@1.20.1 >npm.log 2>&1) || { cat npm.log; exit 1; }

/usr/bin/python3 "$here/check.py" tables
count=0
# model NAME TABLE OPTION…: trains a model, exports it in every format, and compares.
model() {
  local name=$1 table=$2
  shift 2
  "$descent" train --data "$table.csv" --epochs 5 --patience 0 --out "run-$name" "$@" >/dev/null 2>&1
  local file=run-$name/model.safetensors proba=--proba
  [ "$table" = values ] && proba=
  # shellcheck disable=SC2086  # no word where there is no option
  "$descent" predict "$file" "$table.csv" $proba --out "$name.csv"
  for format in c onnx npz; do
    "$descent" export "$file" --format $format --prefix "$name" >/dev/null
  done
  for compiler in 'gcc -std=c99' 'clang -std=c99 -O2' 'g++ -x c++ -std=c++20 -O3' 'clang++ -x c++ -std=c++11'; do
    # shellcheck disable=SC2086  # a command with its words
    $compiler -Wall -Wextra -Wconversion -pedantic -Werror -DNAME="$name" -include "$name.h" \
      "$here/self_test.c" -o self_test -lm
    ./self_test || { echo "$name: $compiler: rows are predicted wrongly"; exit 1; }
  done
  /usr/bin/python3 "$here/check.py" model "$name" "$table"
  node "$here/check.mjs" "$name" "$folder"
  count=$((count + 1))
}
for activation in relu tanh sigmoid gelu silu leaky_relu elu softplus; do
  model "v_$activation" values --activation $activation --hidden 20,12
done
model linear values --hidden 0 --task regression
model v_pair values --target load,a --hidden 9
model kinds classes --batch-norm --dropout 0.1 --hidden 16,16
model robust classes --standardize robust --ensemble 3 --activation silu
model towns words --ensemble 2 --batch-norm --hidden 12
model two binary --hidden 70 --standardize off

# Two models in one program.
printf '%s\n' '#include "v_gelu.h"' '#include "kinds.h"' \
  'int main(void) { return v_gelu_self_test() + kinds_self_test(); }' >both.c
gcc -std=c99 -Wall -Wextra -Wconversion -pedantic -Werror both.c -o both -lm && ./both

/usr/bin/python3 "$here/check.py" arrays
"$build/bin/interop_arrays" arrays
/usr/bin/python3 "$here/check.py" returned
/usr/bin/python3 "$here/pytorch.py" "$folder"
"$build/bin/interop_pytorch" "$folder"
# shellcheck disable=SC2046  # flags
g++ -std=c++20 -shared -fPIC -O1 $(/usr/bin/python3-config --includes) -I "$build/include" "$here/dlpack_module.cpp" \
  "$build/libdescent.a" -ltbb -lspdlog -lfmt -lz -lopenblas -pthread -o descent_dlpack.so
/usr/bin/python3 "$here/pytorch.py" dlpack "$folder"
echo "$count models agree in C, C++, onnxruntime, OpenCV and NumPy; arrays come and go"
