#!/usr/bin/env bash
# Builds and runs the consumers in this folder.
#   run.sh installed BUILD     an installed library: by find_package, by pkg-config, and under all dialects
#   run.sh subproject SOURCE   the sources inside another project: by FetchContent, and by add_subdirectory (configured)
#   run.sh shared BUILD        a shared library: what it exports, and what `installed` checks; Debian packages
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix
strict=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Werror)

quietly() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }; }
build() {  # NAME OPTION…
  cmake -S "$here" -B "$folder/$1" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG= "${@:2}" >/dev/null
  quietly cmake --build "$folder/$1" --parallel "$(nproc)"
  "$folder/$1/consumer"
  "$folder/$1/host"
}
installed() {  # BUILD
  cmake --install "$1" --prefix "$prefix" >/dev/null
  export LD_LIBRARY_PATH=$prefix/lib
  build installed -DCMAKE_PREFIX_PATH="$prefix"
  # As the README says.
  PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs descent | sed "s|$folder|.|g" >"$folder/flags"
  cd "$folder"
  # shellcheck disable=SC2046
  quietly g++ -std=c++20 "$here/main.cpp" $(cat flags) -o by_hand
  ./by_hand
}
case $1 in
  installed)
    installed "$2"
    # The headers under every dialect: the warnings of a user who does not take them for system headers.
    for compiler in g++ clang++; do
      command -v $compiler >/dev/null || continue
      for standard in c++20 c++2b; do
        for level in -O0 "-O2 -DNDEBUG"; do
          # shellcheck disable=SC2086
          quietly $compiler -std=$standard $level "${strict[@]}" -I "$prefix/include" -c "$here/main.cpp" -o "$folder/o"
        done
      done
    done
    # No path of this machine is left in what is installed.
    if grep -rlE "$2|/usr/lib/[a-z0-9_-]+/" "$prefix/lib/cmake" "$prefix/lib/pkgconfig"; then
      echo "[package] got a path of the build machine in these files, expected none"
      exit 1
    fi
    ;;
  subproject)  # as a host of C++23 that compiles many files as one, and unoptimised
    cmake -S "$here" -B "$folder/subdirectory" -DDESCENT_SOURCE="$2" -DDESCENT_SUBDIRECTORY=ON >/dev/null
    build fetched -DDESCENT_SOURCE="$2" -DCMAKE_CXX_STANDARD=23 -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12
    ;;
  shared)
    if nm -D --defined-only "$2/libdescent.so" | awk '$2 != "A" { print $3 }' | grep -v 7descent; then
      echo "[package] got these exported symbols, expected those of the namespace descent alone"
      exit 1
    fi
    [[ $(readelf -d "$2/libdescent.so") == *'[libdescent.so.0.2]'* ]] || { echo "[package] got no SONAME"; exit 1; }
    installed "$2"
    if [[ $(objdump -p by_hand) =~ NEEDED[^$'\n']*openblas ]]; then
      echo "[package] got a program that names OpenBLAS itself, expected libdescent alone"
      exit 1
    fi
    command -v dpkg-deb >/dev/null || exit 0
    # The packages install into an empty root and leave nothing behind.
    (cd "$2" && quietly cpack -G DEB -B "$folder/packages")
    mkdir -p "$folder/root/var/lib/dpkg/"{info,updates,triggers} "$folder/root/etc"
    touch "$folder/root/var/lib/dpkg/"{status,available}
    quietly dpkg --root="$folder/root" --force-all --install "$folder"/packages/*.deb
    [ -e "$folder/root/usr/lib/libdescent.so.0.2" ] && [ -e "$folder/root/usr/include/descent/descent.h" ]
    quietly dpkg --root="$folder/root" --force-all --purge "$(dpkg-deb -f "$folder"/packages/libdescent-dev_*.deb Package)" libdescent0.2
    if [ -n "$(find "$folder/root" -path "*/usr/*" ! -type d | grep -v -e /bin/descent -e /man1/ -e /bash-completion/ -e share/doc)" ]; then
      find "$folder/root" -path "*/usr/*" ! -type d | head
      echo "[package] got these files after the packages were removed, expected none"
      exit 1
    fi
    ;;
esac
echo "consumers are at home"
