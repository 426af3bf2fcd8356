#!/usr/bin/env bash
# Makes the corpus that fuzzing starts from: small tables, each behind the byte that says how it is read.
set -euo pipefail
cd "$(dirname "$0")"
data=../tests/data
corpus=corpus/table
mkdir -p "$corpus"
printf '\x00text,label\n"a, ""b""\nc",x\nd,y\n' > "$corpus/0-csv"
printf '\x00sep=;\r\ntext;label\r\na;x\r\nb;y\r\n' > "$corpus/0-sep"
printf '\x01text\tlabel\n"a\tx\nb"\ty\n' > "$corpus/1-tsv"
printf '\x02{"text":"a","label":NaN}\n{"text":"\\ud83d","label":["x"]}\n' > "$corpus/2-jsonl"
printf '\x03[{"text":"a","label":1},{"text":"b","label":"x"}]' > "$corpus/3-json"
for file in "$data"/*.parquet; do { printf '\x04'; cat "$file"; } > "$corpus/4-$(basename "$file")"; done
for file in "$data"/*.arrow "$data"/*.feather; do { printf '\x05'; cat "$file"; } > "$corpus/5-$(basename "$file")"; done
