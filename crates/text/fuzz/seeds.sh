#!/usr/bin/env bash
# Makes the corpus that fuzzing starts from: the golden models, each behind the byte that says for which family it is read.
set -euo pipefail
cd "$(dirname "$0")"
corpus=corpus/sentencepiece
mkdir -p "$corpus"
for file in ../tests/golden/tokenizers/spm-*/*.model; do
  name=$(basename "$(dirname "$file")")
  for family in 0 1 2 3 4 5; do
    { printf "\\x0$family"; cat "$file"; } > "$corpus/$family-$name"
  done
done
