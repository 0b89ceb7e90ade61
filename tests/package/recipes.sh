#!/usr/bin/env bash
# The recipes for vcpkg and Conan, the manual page and the completion have the right form, and name this version.
#   recipes.sh SOURCE [DESCENT]
set -euo pipefail
source=$(realpath "$1") program=${2:-}
version=$(sed -nE 's/^project\(descent VERSION ([0-9.]+).*/\1/p' "$source/CMakeLists.txt")
python3 - "$source/core/cmake/packaging" "$version" <<'END'
import ast, json, sys
folder, version = sys.argv[1:]
port = json.load(open(folder + "/vcpkg/vcpkg.json"))
assert port["version"] == version and port["name"] == "descent", port
text = open(folder + "/vcpkg/portfile.cmake").read()
for step in ("vcpkg_cmake_configure(", "vcpkg_cmake_install()", "vcpkg_cmake_config_fixup(", "vcpkg_install_copyright("):
    assert step in text, step
recipe = next(c for c in ast.parse(open(folder + "/conan/conanfile.py").read()).body if isinstance(c, ast.ClassDef))
fields = {a.targets[0].id: ast.literal_eval(a.value) for a in recipe.body if isinstance(a, ast.Assign)}
methods = {f.name for f in recipe.body if isinstance(f, ast.FunctionDef)}
assert fields["version"] == version, fields
assert {"export_sources", "requirements", "layout", "generate", "build", "package", "package_info"} <= methods, methods
END
man=$source/examples/descent/descent.1
grep -qF "descent $version" "$man" || { echo "[recipes] $man does not name version $version"; exit 1; }
if command -v man >/dev/null; then  # groff's warnings
  messages=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$man" 2>&1 >/dev/null)
  [ -z "$messages" ] || { echo "[recipes] $man: $messages"; exit 1; }
fi
[ -n "$program" ] || exit 0
complete_words() {  # WORD…: what the completion offers for the last one
  bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _descent; printf "%s\n" "${COMPREPLY[@]}"' \
    "$source/examples/descent/completion.bash" "$program" "$@"
}
grep -qx predict <<<"$(complete_words pre)"
grep -qx -- --optimizer <<<"$(complete_words train --opt)"
grep -qx adamw <<<"$(complete_words explain adam)"
for command in $("$program" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  grep -q "^\.B $command" "$man" || { echo "[recipes] $man lacks the command $command"; exit 1; }
done
echo "recipes, manual and completion have their form"
