"""The million scalars: a run of skiplane whose logs hold 200 series of 5,000 steps. The others are given exactly
what its logs say, by names such as `activation_std/layer1.0.conv1`. Knows nothing of who reads them.
"""

import hashlib
import json
import math
import random
import shutil
from pathlib import Path

import programs

SERIES, STEPS = 200, 5000
# A log whose form serves as a pattern for the one that is made here.
EXAMPLE = programs.ROOT / "runs" / "20261123-142307-example"
# To be changed with what is made here, so that an older run is not taken for it.
EDITION = 1
RUN = f"20261123-120000-million-{EDITION}"
# Layers of the example's network: the stem, five blocks of two, and the last one as the head.
STEM, BLOCKS, LANE = 1, 5, "plain"
BATCH, STEP_MS = 64, 70.0


def make(folder):
    """Makes a run in a folder, unless it is there; gives the run's folder.

    Written in format 1, which skiplane still reads. This is the one function to replace once the project has
    a bench that makes logs of any size itself.
    """
    run = folder / RUN
    if (run / "run.json").is_file():
        return run
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    with open(EXAMPLE / f"{LANE}.jsonl", encoding="utf-8") as file:
        lines = (json.loads(line) for line in file)
        started = next(lines)
        names = list(next(line["step_finished"]["statistics"] for line in lines
                          if "statistics" in line.get("step_finished", {})))
    start = started["lane_started"]
    shrink(start["topology"])
    experiment = start["experiment"]
    experiment["training"]["steps"] = STEPS
    experiment["statistics"]["every"] = 1
    experiment["lane"] = [lane for lane in experiment["lane"] if lane["name"] == LANE]
    with open(run / f"{LANE}.jsonl", "w", encoding="utf-8", newline="\n") as log:
        for event in (started, *steps(names, len(start["topology"]["layers"])), finished()):
            log.write(json.dumps(event, separators=(",", ":")) + "\n")
    manifest = json.loads((EXAMPLE / "run.json").read_text(encoding="utf-8"))
    manifest.update(run=RUN, experiment="million", steps=STEPS, lanes=[{"name": LANE, "log": f"{LANE}.jsonl"}])
    # With it, the folder is a run.
    (run / "run.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return run


def shrink(topology):
    """Leaves a network of eleven layers: with 18 statistics each, loss and error, 200 series."""
    layers, blocks = topology["layers"], topology["blocks"]
    topology["blocks"] = blocks[:BLOCKS]
    topology["layers"] = layers[:STEM + 2 * BLOCKS]


def steps(names, layers):
    """The records of the steps: values that decay, with noise, as those of a training run do."""
    noise = random.Random(0)
    levels = {name: [10 ** noise.uniform(-3, 1) for _ in range(layers)] for name in names}
    # They count what is not finite; nothing is.
    levels.update((name, [0.0] * layers) for name in names if name.endswith("non_finite"))
    for step in range(1, STEPS + 1):
        decay = 0.1 + 0.9 * math.exp(-4 * step / STEPS)
        statistics = {
            name: [short(level * decay * noise.gauss(1, 0.05)) for level in of_name] for name, of_name in levels.items()
        }
        yield {"step_finished": {
            "step": step,
            "loss": short(2.3 * decay * noise.gauss(1, 0.05)),
            "error": sum(noise.random() < 0.9 * decay for _ in range(BATCH)) / BATCH,
            "learning_rate": 0.05,
            "statistics": statistics,
            "time": {"at_ms": step * STEP_MS, "step_ms": STEP_MS, "statistics_ms": 1.0},
        }}


def finished():
    return {"lane_finished": {"step": STEPS, "outcome": "completed", "time": {"at_ms": (STEPS + 1) * STEP_MS}}}


def short(value):
    """The value with as many digits as the shortest decimals of an f32 have."""
    return float(f"{value:.8g}")


def adopt(run, folder):
    """Copies a run into a folder that is named after what its logs hold; gives that folder, and the copy."""
    if not (run / "run.json").is_file():
        raise programs.Failure(f"expected the folder of a run, found no run.json in {run}")
    digest = hashlib.sha256()
    for log in logs(run):
        digest.update(log.read_bytes())
    home = folder / f"scalars-{digest.hexdigest()[:12]}"
    copy = home / "skiplane" / run.resolve().name
    if not (copy / "run.json").is_file():
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        # An index is made by the program that is measured.
        for file in (*logs(run), *run.glob("*.toml"), run / "run.json"):
            shutil.copyfile(file, copy / file.name)
    return home, copy


def logs(run):
    """The logs of a run's lanes."""
    return [run / lane["log"] for lane in json.loads((run / "run.json").read_text(encoding="utf-8"))["lanes"]]


def rows(run):
    """For each step its number and its scalars by name, 200 in all."""
    lanes = [list(of_lane(log)) for log in logs(run)]
    prefixes = [f"{log.stem}/" if len(lanes) > 1 else "" for log in logs(run)]
    if any(len(lane) != STEPS for lane in lanes):
        raise programs.Failure(f"expected {STEPS} steps in each lane of {run}, found {[len(lane) for lane in lanes]}")
    for together in zip(*lanes):
        step = together[0][0]
        named = {prefix + name: value for prefix, (_, row) in zip(prefixes, together) for name, value in row.items()}
        if len(named) < SERIES:
            raise programs.Failure(f"expected {SERIES} scalars at step {step} of {run}, found {len(named)}")
        yield step, dict(list(named.items())[:SERIES])


def of_lane(log):
    """For each step of a lane its number and all its scalars by name."""
    with open(log, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if "lane_started" in event:
                topology = event["lane_started"]["topology"]
                layers, blocks = ([of["name"] for of in topology[what]] for what in ("layers", "blocks"))
            elif "step_finished" in event:
                step = event["step_finished"]
                # JSON lacks NaN and infinities; the log has strings for them, which float reads.
                row = {"loss": float(step["loss"]), "error": float(step["error"])}
                for statistic, column in step.get("statistics", {}).items():
                    subjects = layers if len(column) == len(layers) else blocks
                    row.update((f"{statistic}/{of}", float(value)) for of, value in zip(subjects, column))
                # These only fill up where the statistics leave room.
                row.update(learning_rate=float(step["learning_rate"]), step_ms=float(step["time"]["step_ms"]))
                yield step["step"], row
