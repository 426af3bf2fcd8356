#!/usr/bin/env bash
# Makes the corpus that fuzzing starts from: the golden files, each behind the byte that says which file it is.
set -euo pipefail
cd "$(dirname "$0")"
golden=../../model/tests/golden
corpus=corpus/checkpoint
mkdir -p "$corpus"
seed() { { printf "\\x0$1"; cat "$2"; } > "$corpus/$1-$3"; }

for directory in "$golden"/models/*/; do
  name=$(basename "$directory")
  seed 0 "$directory/config.json" "$name"
  seed 1 "$directory/model.safetensors" "$name"
done
seed 2 "$golden/torch/shards/pytorch_model.bin.index.json" shards
for file in "$golden"/torch/*.bin; do
  name=$(basename "$file" .bin)
  seed 3 "$file" "$name"
  # The pickle alone, which the target puts into an archive.
  if unzip -p "$file" '*/data.pkl' > "$corpus/pickle" 2>/dev/null; then seed 4 "$corpus/pickle" "$name"; fi
done
rm -f "$corpus/pickle"
