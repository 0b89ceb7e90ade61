#!/usr/bin/env bash
# The house keeps its order: who may include whom, where third parties may stand, and what may not
# be written anywhere. layers.sh SOURCE
set -uo pipefail
cd "$1"
bad=0
report() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; bad=1; }; }

forbid() {  # forbid FOLDER PATTERN…: no file of it includes from those folders
  local folder=$1 part
  shift
  for part in "$@"; do
    report "$folder/ may not include $part/" "$(grep -rnE "#include <descent/$part/" "$folder" --include=*.h --include=*.cpp)"
  done
}
forbid autograd nn optim data
forbid nn optim data
forbid optim nn data
# core declares Tensor's differentiable members and autograd defines them; core includes none of it.
forbid core autograd nn optim data
# A model of a table joins the network and the table, a trainer joins network, data and optimizer;
# nothing else in data/ knows networks and optimizers.
report 'in data/, only model, trainer and fit may include nn/' "$(grep -rlE '#include <descent/nn/' data --include=*.h --include=*.cpp | grep -vxE 'data/(model|trainer|fit)[.](h|cpp)')"
report 'in data/, only trainer and fit may include optim/' "$(grep -rlE '#include <descent/optim/' data --include=*.h --include=*.cpp | grep -vxE 'data/(trainer|fit)[.](h|cpp)')"

# The rooms of optim/: each may include those before it. optimizer.h and its like, which lie in the
# folder itself, stand between engine and rules.
forbid optim/engine optim/rules optim/wrappers optim/names optim/testing
forbid optim/rules optim/wrappers optim/names optim/testing
forbid optim/wrappers optim/rules optim/names optim/testing
forbid optim/names optim/testing
report "optim/'s own headers may include engine/ alone" "$(grep -nE '#include <descent/optim/(names|testing|rules/.*|wrappers/.*)' optim/*.h optim/*.cpp | grep -vE '^optim/(rules|wrappers)\.h:')"
for room in optim/*/; do
  case $room in optim/engine/ | optim/rules/ | optim/wrappers/ | optim/names/ | optim/testing/) ;; *) report 'a room without a rule' "$room" ;; esac
done
report 'a rule or wrapper that is in no list' "$(for f in optim/rules/*.h optim/wrappers/*.h; do
  grep -q DESCENT_BUILT_IN "$f" && ! grep -q "<descent/$f>" optim/rules.h optim/wrappers.h && echo "$f"; done)"

report 'cblas only in core/kernels/gemm.cpp' "$(grep -rln 'cblas' core autograd nn optim data --include=*.h --include=*.cpp | grep -vx 'core/kernels/gemm.cpp')"
report 'TBB only in core/parallel.cpp' "$(grep -rlE '#include [<"](tbb|oneapi)' core autograd nn optim data examples descent.h | grep -vx 'core/parallel.cpp')"
report 'spdlog only in core/log.cpp' "$(grep -rlE '#include [<"]spdlog' core autograd nn optim data examples descent.h | grep -vx 'core/log.cpp')"
report 'third parties in a public header' "$(grep -rnE '#include [<"](tbb|cblas|spdlog|fmt|nlohmann|zlib|CLI)' core autograd nn optim data descent.h --include=*.h)"
report 'a number that is read or printed as the locale of a host says' "$(grep -rnE '\b(strto[dfl]d?|sto(d|f|ld)|ato[fil]|v?sn?printf|sscanf)\(|stringstream|setlocale' core autograd nn optim data examples descent.h --include=*.h --include=*.cpp)"
report 'the library installs no signal handler' "$(grep -rnE '\b(sigaction|signal) *\(' core autograd nn optim data --include=*.h --include=*.cpp | grep -v '//.*signal')"
report 'banned flags' "$(grep -rnE 'march=native|ffast-math' CMakeLists.txt core/cmake core/*.cpp core/kernels examples tests/CMakeLists.txt CMakePresets.json)"
report 'the top level is fixed' "$(ls | grep -vxE 'CMakeLists.txt|CMakePresets.json|LICENSE|README.md|descent.h|core|autograd|nn|optim|data|examples|tests|build.*')"
[ $bad -eq 0 ] && echo "all in order"
exit $bad
