#!/usr/bin/env bash
# Builds the Python package, installs it into a fresh virtual environment, and tests it against the program:
#
#     scripts/build_wheel.sh [BUNDLE]
#
# The wheel is left in target/wheels. It serves every CPython from 3.9 on (abi3). BUNDLE is the quickstart's by default.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
bundle=${1:-data/runs/quickstart/export/bundle}
[ -d "$bundle" ] || { echo "error: there is no bundle $bundle: run \`cargo xtask pipeline\` first" >&2; exit 1; }

environment=$target/wheel-venv
python3 -m venv --clear "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
rm -rf "$target/wheels"
"$environment/bin/maturin" build --release --locked --manifest-path crates/python/Cargo.toml --out "$target/wheels"
"$environment/bin/pip" install --quiet --disable-pip-version-check --no-index "$target"/wheels/firebrand-*.whl

cargo build --release --locked --package firebrand
"$environment/bin/python" crates/python/tests/test_firebrand.py "$bundle" "$target/release/firebrand"
ls -l "$target"/wheels
