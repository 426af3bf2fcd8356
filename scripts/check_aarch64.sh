#!/usr/bin/env bash
# Runs the tests of the kernels and the golden tests of the engine for 64-bit ARM, under QEMU on any Linux machine: with dot products and, as on a
# Cortex-A72, without. `crates/infer/tests/logits.txt` has the bits that x86 computes.
#
# QEMU says whether answers are right, not how fast they come. Builds for ten minutes on two cores, then runs for some.
#
#   apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross      # Debian, Ubuntu
#   rustup target add aarch64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
for needed in qemu-aarch64 aarch64-linux-gnu-gcc; do
    command -v "$needed" >/dev/null || { echo "error: \`$needed\` is not installed; the first lines of $0 say how" >&2; exit 1; }
done
# Rust and C code are linked by the same compiler.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"

for cpu in max cortex-a72; do
    echo "== $cpu"
    QEMU_CPU=$cpu cargo test --target $target --package firebrand-kernels --lib
    QEMU_CPU=$cpu cargo test --target $target --package firebrand-infer --test golden
done
