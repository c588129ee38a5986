#!/usr/bin/env bash
# Draws the frames of the README: from the runs that are kept under runs/, and from the claim `degradation`, a run with the
# surface of the loss and one with pictures, which are trained in the target folder unless they are there.
# The moving one at its top is recorded from the tape docs/tapes/tour.tape, which says what is run and which keys are pressed.
# Usage: docs/frames.sh        (needs a build: cargo build --release)
set -euo pipefail
cd "$(dirname "$0")/.."

# draw RUN RUNS VIEW
draw() {
    target/release/skiplane snapshot "$1" --runs "$2" --view "$3" --size 120x40 --colors true \
        --background dark --format svg --out "docs/frames/$3.svg"
}

cargo run --release --example record -- docs/tapes/tour.tape docs/frames/tour.svg

for view in overview profile heatmap layer shortcut findings network charts; do
    draw example runs "$view"
done
draw preserves runs probes

# A run of PyTorch, logged by its SummaryWriter, with the Python that has torch and tensorboard.
if [ ! -d target/tensorboard ]; then
    OMP_NUM_THREADS=1 "${PYTHON:-python3}" docs/tensorboard_run.py target/tensorboard
fi
target/release/skiplane snapshot target/tensorboard --view profile --size 120x40 --colors true --background dark \
    --format svg --out docs/frames/tensorboard.svg

trained=target/claims
target/release/skiplane sweep degradation --headless --runs "$trained"
draw degradation "$trained" sweep
draw degradation "$trained" verdict

if ! ls -d "$trained"/*-loss-surface > /dev/null 2>&1; then
    target/release/skiplane train --headless --runs "$trained" --name loss-surface --set 'lane.*.depth=20' \
        --set statistics.every=50 --set probe.surface.at=end --set probe.surface.plane=true
fi
draw loss-surface "$trained" surface

if ! ls -d "$trained"/*-pictures > /dev/null 2>&1; then
    target/release/skiplane train --headless --runs "$trained" --name pictures --set 'lane.*.depth=20' \
        --set statistics.every=50 --set probe.pictures.at=end
fi
draw pictures "$trained" pictures
