"""Stores what the writers' own readers say about the logs that `write.py` made.

    python expect.py FOLDER

Beside each folder or W&B run it puts NAME.expected.json, from the packages
that `write.py` names:

- TensorBoard: tensorboard's EventAccumulator, which keeps all points here;
  and TensorBoard itself with its data server (`--load_fast=true`), asked over
  HTTP, where it says something else.
- W&B: `wandb leet inspect --json`, which is wandb's own reader (0.31.0 has no DataStore any more).
- The others: csv and json of Python's library.

Layout: run -> {
    "scalars": tag -> [[step, value], ...],            non-finite: "NaN", "inf", "-inf"
    "histograms": tag -> [[step, [min, max, num, sum, sum_squares] or null, [[left, right, count], ...]], ...],
    "other": tag -> number of records,                 text, images and what is no number
    "data_server": tag -> [[step, value], ...],        only the tags where it differs; null: it has not the tag
}
Buckets without a value are left out. A TensorBoard histogram of buckets begins at
its min and ends at its max: these replace the outer edges of the first and the last
bucket with a value in it, as tensorboard's data_compat does. Nothing else is changed.
"""

import csv
import json
import math
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

BIN = Path(sys.executable).parent


def number(value):
    value = float(value) if not isinstance(value, int) else value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def store(path, data):
    """A tag a line."""
    lines = []
    for run, parts in data.items():
        inner = []
        for part, tags in parts.items():
            if not isinstance(tags, dict):
                inner.append(f"  {json.dumps(part)}: {json.dumps(tags)}")
                continue
            rows = [f"   {json.dumps(tag)}: {json.dumps(value, separators=(',', ':'))}" for tag, value in tags.items()]
            inner.append(f"  {json.dumps(part)}: {{\n" + ",\n".join(rows) + "\n  }" if rows else f"  {json.dumps(part)}: {{}}")
        lines.append(f" {json.dumps(run)}: {{\n" + ",\n".join(inner) + "\n }")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    json.loads(text)
    path.write_text(text)


# TensorBoard


def buckets(histogram):
    """[left, right, count] of the buckets with a value."""
    limits, counts = list(histogram.bucket_limit), list(histogram.bucket)
    full = [i for i, count in enumerate(counts) if count > 0]
    rows = []
    for i in full:
        left = histogram.min if i == full[0] else limits[i - 1]
        right = histogram.max if i == full[-1] else limits[i]
        rows.append([left, right, counts[i]])
    return rows


def read_tensorboard(folder):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    log = event_accumulator.EventAccumulator(str(folder), size_guidance=dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0))
    log.Reload()
    tags = log.Tags()
    scalars, histograms, other = {}, {}, {}
    for tag in tags["scalars"]:
        scalars[tag] = [[e.step, number(e.value)] for e in log.Scalars(tag)]
    for tag in tags["histograms"]:
        rows = histograms[tag] = []
        for e in log.Histograms(tag):
            h = e.histogram_value
            rows.append([e.step, [number(v) for v in (h.min, h.max, h.num, h.sum, h.sum_squares)], buckets(h)])
    for tag in tags["images"]:
        other[tag] = len(log.Images(tag))
    for tag in tags["tensors"]:
        plugin = log.SummaryMetadata(tag).plugin_data.plugin_name
        events = [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in log.Tensors(tag)]
        if plugin == "scalars":
            scalars[tag] = [[step, number(value.item())] for step, value in events]
        elif plugin == "histograms":
            histograms[tag] = [[step, None, [row for row in value.tolist() if row[2] > 0]] for step, value in events]
        else:
            other[tag] = len(events)
    return {"scalars": scalars, "histograms": histograms, "other": other}


def ask_data_server(folder):
    """run -> tag -> [[step, value]] as TensorBoard shows it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [BIN / "tensorboard", "--logdir", folder, "--load_fast=true", "--port", str(port), "--samples_per_plugin", "scalars=1000000"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:

        def get(path, **query):
            url = f"http://127.0.0.1:{port}/data/plugin/scalars/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)

        last = None
        for _ in range(120):
            time.sleep(1)
            try:
                tags = {run: sorted(t) for run, t in get("tags").items()}
            except OSError:
                continue
            # Loaded when nothing is added any more.
            if tags and tags == last:
                break
            last = tags
        names = {"nan": "NaN", "infinity": "inf", "-infinity": "-inf"}

        def value(v):
            return names[v.lower()] if isinstance(v, str) else v

        return {run: {tag: [[step, value(v)] for _, step, v in get("scalars", run=run, tag=tag)] for tag in ts} for run, ts in tags.items()}
    finally:
        server.terminate()
        server.wait()


def tensorboard(folder):
    shown = ask_data_server(folder)
    data = {}
    for run in sorted({path.parent for path in folder.rglob("events.out.tfevents.*")}):
        parts = read_tensorboard(run)
        name = str(run.relative_to(folder))
        server = shown.get(name, {})
        differ = {}
        for tag in sorted(set(parts["scalars"]) | set(server)):
            if parts["scalars"].get(tag) != server.get(tag):
                differ[tag] = server.get(tag)
        data[name] = parts | {"data_server": differ}
    store(folder.with_name(folder.name + ".expected.json"), data)


# Weights & Biases


def inspect(path, *options):
    run = subprocess.run([BIN / "wandb", "leet", "inspect", "--json", *options, path], capture_output=True, text=True, timeout=60)
    return run.stdout


def wandb(folder):
    (path,) = folder.glob("run-*.wandb")
    scalars, histograms, other = {}, {}, {}
    names = {"NaN": "NaN", "Infinity": "inf", "-Infinity": "-inf"}
    step, axis = 0, "_step"
    for line in inspect(path).splitlines():
        record = json.loads(line)
        if record["type"] == "metric" and record["metric"].get("glob_name") == "*":
            axis = record["metric"].get("step_metric", axis)
        if record["type"] == "stats":
            # What is measured of the machine has a time; here it is of the last step before it.
            for key, value in record["stats"]["item"].items():
                scalars.setdefault(f"system/{key}", []).append([step, value])
        if record["type"] != "history":
            continue
        items = record["history"]["item"]
        step = items[axis]
        # wandb stores a histogram as three items: its type, bins and values.
        for key in [key for key, value in items.items() if key.endswith("._type") and value == "histogram"]:
            tag = key.removesuffix("._type")
            items[tag] = {part: items.pop(f"{tag}.{part}") for part in ("_type", "bins", "values")}
        for tag, value in items.items():
            if isinstance(value, dict) and value.get("_type") == "histogram":
                bins = value["bins"]
                rows = [[left, right, count] for left, right, count in zip(bins, bins[1:], value["values"]) if count > 0]
                histograms.setdefault(tag, []).append([step, None, rows])
            elif isinstance(value, str) and value in names:
                scalars.setdefault(tag, []).append([step, names[value]])
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                scalars.setdefault(tag, []).append([step, value])
            else:
                other[tag] = other.get(tag, 0) + 1
    # Run times differ from run to run, and the steps say where they are.
    for tag in ("_step", "_runtime", "_timestamp"):
        scalars.pop(tag, None)
    summary = json.loads(inspect(path, "--summary"))
    keep = {key: summary.get(key) for key in ("run_id", "name", "project", "state", "exit_code", "step")}
    parts = {part: dict(sorted(tags.items())) for part, tags in (("scalars", scalars), ("histograms", histograms), ("other", other))}
    store(folder.with_name(folder.name + ".expected.json"), {folder.name: parts | {"config": summary["config"], "run": keep}})


# Files of text


def collect(rows, steps):
    scalars, other = {}, {}
    for row, step in zip(rows, steps):
        for tag, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                scalars.setdefault(tag, []).append([step, number(value)])
            else:
                other[tag] = other.get(tag, 0) + 1
    return {"scalars": scalars, "histograms": {}, "other": other}


def flat(value, name=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def texts(root):
    with open(root / "lightning/metrics.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if v != ""} for row in csv.DictReader(file)]
    steps = [int(row.pop("step")) for row in rows]
    store(root / "lightning.expected.json", {"metrics.csv": collect(rows, steps)})

    rows = [dict(flat(json.loads(line))) for line in open(root / "jsonl/metrics.jsonl")]
    steps = [row.pop("step") for row in rows]
    store(root / "jsonl.expected.json", {"metrics.jsonl": collect(rows, steps)})

    rows = json.loads((root / "huggingface/trainer_state.json").read_text())["log_history"]
    steps = [row.pop("step") for row in rows]
    store(root / "huggingface.expected.json", {"trainer_state.json": collect(rows, steps)})


if __name__ == "__main__":
    root = Path(sys.argv[1])
    for old in root.rglob("*.expected.json"):
        old.unlink()
    for folder in sorted((root / "tensorboard").iterdir()):
        tensorboard(folder)
    for folder in sorted((root / "wandb").iterdir()):
        wandb(folder)
    texts(root)
