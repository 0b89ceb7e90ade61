#!/usr/bin/env bash
# How fast a table of 200,000 × 31 numbers is read, beside pandas; the two take turns. Run nothing else meanwhile.
#
#   tests/bench/tables.sh [ROUNDS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/core/cmake/dependencies.sh"
require python3-pandas
cmake -S "$root" -B "$root/build/release" -DDESCENT_BENCH=ON -DDESCENT_TESTS=ON -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$root/build/release" --parallel --target read_table >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/bin/python3 - "$folder/table.csv" <<'PYTHON'
import random
import sys
random.seed(1)
with open(sys.argv[1], "w") as f:
    f.write(",".join(f"f{i}" for i in range(31)) + "\n")
    for _ in range(200000):
        f.write(",".join(f"{random.gauss(0, 1):.8f}" for _ in range(31)) + "\n")
PYTHON
for _ in $(seq "${1:-3}"); do
  echo "Descent: $("$root/build/release/bin/read_table" "$folder/table.csv" | paste -sd ' ')"
  /usr/bin/python3 - "$folder/table.csv" <<'PYTHON'
import os
import sys
import time
import pandas
best = 1e9
for _ in range(3):
    start = time.perf_counter()
    pandas.read_csv(sys.argv[1])
    best = min(best, time.perf_counter() - start)
print(f"pandas: best of 3 {os.path.getsize(sys.argv[1]) / best / 1e6:.0f} MB/s")
PYTHON
done
