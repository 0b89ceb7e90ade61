# Sourced by the run scripts. require PACKAGE…: installs what is missing with apt, or says what to
# install elsewhere. Touches no network when nothing is missing.

require() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null 2>&1; then
    # No Debian: CMake will say what it does not find; this says what it will look for.
    for package in cmake c++; do
      command -v "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
      echo "Missing: ${missing[*]}. Install a C++20 compiler, CMake, OpenBLAS, oneTBB, spdlog, zlib," >&2
      echo "nlohmann-json and CLI11 (for the tests GoogleTest too) with your package manager." >&2
      exit 3
    fi
    return 0
  fi
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "Missing: ${missing[*]}. Install them as root: apt-get install ${missing[*]}" >&2
      exit 3
    fi
    sudo=(sudo)
  fi
  echo "Installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1 ||
    { "${sudo[@]}" apt-get update -qq >&2 && "${sudo[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null; } ||
    { echo "Could not install ${missing[*]}. Is there a network? By hand: apt-get install ${missing[*]}" >&2; exit 3; }
}

library_packages=(cmake g++ make libopenblas-dev libtbb-dev libspdlog-dev zlib1g-dev nlohmann-json3-dev)
