#!/usr/bin/env bash
# Measures the README's table: final errors against depth, median of three seeds.
# Usage: docs/figures.sh [FOLDER FOR THE RUNS]     (needs a build, cargo build --release, and jq)
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-$(mktemp -d)}
for seed in 0 1 2; do
    target/release/skiplane train experiments/depth.toml --headless --seed "$seed" --name "seed-$seed" \
        --runs "$runs" --set statistics.every=0 --set statistics.histograms_every=0 >"$runs/seed-$seed.txt"
done

for seed in 0 1 2; do
    target/release/skiplane show "$runs"/*-seed-$seed --json
done | jq -rs '
    def median: sort | .[length / 2 | floor];
    def percent: . * 1000 | round / 10 | "\(.) %";
    [.[].lanes[]] | group_by(.name) | map({
        key: .[0].name,
        value: {train: map(.train_error) | median | percent, test: map(.test_error) | median | percent}
    }) | from_entries as $lane
    | "| depth | plain, train | plain, test | residual, train | residual, test |",
      "|---|---|---|---|---|",
      ("8", "20", "44", "56" | . as $depth
        | $lane["plain-" + $depth] as $plain | $lane["residual-" + $depth] as $residual
        | "| \($depth) | \($plain.train) | \($plain.test) | \($residual.train) | \($residual.test) |")'
