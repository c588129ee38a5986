#!/usr/bin/env bash
# Draws the frames of the README from the run that is kept under runs/.
# Usage: docs/frames.sh        (needs a build: cargo build --release)
set -euo pipefail
cd "$(dirname "$0")/.."

run=$(basename runs/*-example)
for view in overview profile heatmap layer shortcut findings; do
    target/release/skiplane snapshot "$run" --runs runs --view "$view" --size 120x40 --colors true \
        --background dark --format svg --out "docs/frames/$view.svg"
done
