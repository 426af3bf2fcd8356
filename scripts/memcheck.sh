#!/usr/bin/env bash
# Runs the tests of the kernels and of the fused operations under Valgrind's memcheck, which reports reads of uninitialised memory and accesses out of bounds.
# Valgrind emulates a processor without AVX-512, so the kernels take their AVX2 and portable paths.
#
# Takes some minutes. Arguments are passed to the test programs: `scripts/memcheck.sh attention` runs some tests only.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo "error: \`valgrind\` is not installed" >&2; exit 1; }

host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=valgrind --quiet --error-exitcode=1 --leak-check=no"
# Valgrind runs one thread at a time, and property tests with their usual number of cases would take an hour.
export RAYON_NUM_THREADS=2 PROPTEST_CASES=${PROPTEST_CASES:-8}
exec cargo test --package firebrand-kernels --package firebrand-fused --lib --tests -- --test-threads=1 "$@"
