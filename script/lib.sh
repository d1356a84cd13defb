# Sourced by the other scripts: where the tree is, and how to say things.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Compilers that run at once: one per core, and 1.5 GB each at the most.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}

say() { printf '%s\n' "$*" >&2; }

# configure PRESET: CMake, with ccache where it is installed, and with the options in EKIDEN_CMAKE.
configure() {
  local launcher=()
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  if ! cmake --preset "$1" "${launcher[@]}" ${EKIDEN_CMAKE:-} >"build-$1.log.$$" 2>&1; then
    cat "build-$1.log.$$" >&2
    rm -f "build-$1.log.$$"
    return 1
  fi
  rm -f "build-$1.log.$$"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  # Without a network what is installed may do; CMake names what it cannot do without.
  "$root/script/bootstrap" || say "Going on with the packages that are installed."
  configure "$preset"
  cmake --build "build/$preset" -j "$(jobs)" ${1:+--target "$@"}
}

# The programs that measure (bench/relay), which need nothing but a compiler.
bench_tools() {
  local tool
  mkdir -p build/bench/tools
  for tool in load receive monitor; do
    if [ "bench/relay/$tool.cpp" -nt "build/bench/tools/$tool" ]; then
      g++ -std=c++20 -O2 -Wall -Wextra -o "build/bench/tools/$tool" "bench/relay/$tool.cpp" -lssl -lcrypto
    fi
  done
}
