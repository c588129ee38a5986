#!/usr/bin/env bash
# Draws the frames of the README from the run that is kept under runs/, and from the claim `degradation`, which is trained
# in the target folder unless it is there.
# Usage: docs/frames.sh        (needs a build: cargo build --release)
set -euo pipefail
cd "$(dirname "$0")/.."

run=$(basename runs/*-example)
for view in overview profile heatmap layer shortcut findings; do
    target/release/skiplane snapshot "$run" --runs runs --view "$view" --size 120x40 --colors true \
        --background dark --format svg --out "docs/frames/$view.svg"
done

target/release/skiplane sweep degradation --headless --runs target/claims
target/release/skiplane snapshot degradation --runs target/claims --view sweep --size 120x40 --colors true \
    --background dark --format svg --out docs/frames/sweep.svg
