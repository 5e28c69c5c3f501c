#!/usr/bin/env bash
# Prepare, train, evaluate.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
python prepare.py data/raw.csv --test-share 0.3
wc -l work/*.csv > "$scratch"
python train.py work/train.csv
python -u evaluate.py | tee "$scratch"
