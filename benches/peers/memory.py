"""The most memory that is resident while a network is trained, each in a process of its own, beside what
`skiplane check` says of it.
"""

import random
import re
import tempfile
from pathlib import Path

import programs
from speed import CONFIGURATIONS, KINDS, SHORTCUTS, flags, title
from table import bytes_of, mebibytes, write

STEPS = 3
WAYS = ("nchw", "channels-last")
# Of the data set that stands in for CIFAR-10: enough for the largest batch, small beside a network.
IMAGES = 256
EXPERIMENT = """\
question = "How much memory does this network need?"
[data]
{data}
[training]
steps = {steps}
batch = {batch}
optimizer = {{ kind = "sgd", learning_rate = 0.05, momentum = 0.9, weight_decay = 1e-4 }}
schedule = {{ kind = "constant" }}
evaluate_every = 0
checkpoint_every = 0
[statistics]
every = 1
histograms_every = 1
"""
LANE = """\
[[lane]]
name = "{name}"
architecture = "resnet"
depth = {depth}
width = {width}
shortcut = "{shortcut}"
"""


def measure(python, step, skiplane, threads):
    """Measures each network alone on both sides."""
    results, together = [], []
    with tempfile.TemporaryDirectory(dir=programs.target() / "peers", prefix="memory-") as folder:
        write_images(Path(folder))
        for configuration in CONFIGURATIONS:
            for shortcut in SHORTCUTS:
                print(f"memory: {KINDS[shortcut]}, {title(configuration)}", flush=True)
                results.append(of_network(python, step, skiplane, threads, configuration, shortcut, Path(folder)))
            print(f"memory: both in one run, {title(configuration)}", flush=True)
            together.append(of_both(skiplane, threads, configuration, Path(folder)))
    report(results, together)
    return {"networks": results, "together": together}


def of_network(python, step, skiplane, threads, configuration, shortcut, folder):
    _, _, side, batch, _ = configuration
    # Data sets that need no file are gray; what a channel of the images costs does not show.
    channels = 3 if side == 32 else 1
    told = flags(configuration, channels, threads, STEPS, [shortcut])
    peer, before = {}, 0
    for way in WAYS:
        finished = programs.run([python, programs.PEER, *told, f"--way={way}"])
        peer[way] = finished.resident
        before = max(found["resident_before"] for found in finished.objects())
    experiment = write_experiment(folder, configuration, [shortcut])
    text, resident = check_and_run(skiplane, threads, experiment, folder)
    what, said = promised(text)
    return {
        "configuration": title(configuration),
        "network": KINDS[shortcut],
        "check_column": what,
        "check": said,
        "step": programs.run([step, "--json", "--statistics=on", *told]).resident,
        "run": resident,
        "torch": peer,
        "torch_before_network": before,
    }


def of_both(skiplane, threads, configuration, folder):
    """Measures a run with a lane of each kind."""
    text, resident = check_and_run(skiplane, threads, write_experiment(folder, configuration, SHORTCUTS), folder)
    said = re.search(r"memory of the whole run: ([\d.,]+ \w+)", text)
    if not said:
        raise programs.Failure(f"expected the memory of the whole run from `skiplane check`, found:\n{text}")
    return {"configuration": title(configuration), "check": bytes_of(said[1]), "run": resident}


def check_and_run(skiplane, threads, experiment, folder):
    """What `check` says of an experiment, and the most memory that a run of it holds."""
    text = programs.run([skiplane, "check", experiment, f"--threads={threads}"]).text
    run = ["train", experiment, "--headless", f"--threads={threads}", "--runs", folder / "runs"]
    return text, programs.run([skiplane, *run]).resident


def write_images(folder):
    """Files of CIFAR-10's binary version, with noise in them."""
    noise = random.Random(0)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = (bytes([image % 10]) + noise.randbytes(3 * 32 * 32) for image in range(IMAGES))
        (folder / name).write_bytes(b"".join(records))


def write_experiment(folder, configuration, shortcuts):
    depth, width, side, batch, _ = configuration
    data = f'name = "cifar10"\npath = {str(folder)!r}' if side == 32 else f'name = "glyphs"\ntrain_images = {IMAGES}'
    text = EXPERIMENT.format(data=data, batch=batch, steps=STEPS)
    for shortcut in shortcuts:
        text += LANE.format(name=KINDS[shortcut], depth=depth, width=width, shortcut=shortcut)
    path = folder / f"{'-'.join(shortcuts)}-{depth}-{width}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def promised(text):
    """What `skiplane check` says that the lane needs: the column of its table, and bytes."""
    rows = [re.split(r"\s{2,}", line[2:].strip()) for line in text.splitlines() if line.startswith("# ")]
    headings = [row for row in rows if row[0] == "lane"]
    if not headings or rows[-1] == headings[0]:
        raise programs.Failure(f"expected a table of the lanes from `skiplane check`, found:\n{text}")
    row = dict(zip(headings[0], rows[-1]))
    for word in ("memory", "activations"):
        for column, value in row.items():
            if word in column:
                return column, bytes_of(value)
    raise programs.Failure(f"expected a column of memory from `skiplane check`, found {list(row)}")


def report(results, together):
    column = results[0]["check_column"]
    print("\nPeak resident memory, each in a process of its own")
    heading = ["", f"check: {column}", "skiplane, steps alone", "a run of the lane", "check to run",
               "PyTorch nchw", "channels-last", "of it before the network",
               "run to PyTorch's least", "to what that adds"]
    rows = []
    for of in results:
        least = min(of["torch"].values())
        rows.append([
            f"{of['network']}, {of['configuration']}",
            *(mebibytes(of[what]) for what in ("check", "step", "run")),
            f"{of['check'] / of['run']:.2f}",
            *(mebibytes(of["torch"][way]) for way in WAYS),
            mebibytes(of["torch_before_network"]),
            f"{of['run'] / least:.2f}",
            f"{of['run'] / (least - of['torch_before_network']):.2f}",
        ])
    write(heading, rows)

    print("\nBoth lanes in one run")
    rows = [
        [of["configuration"], mebibytes(of["check"]), mebibytes(of["run"]), f"{of['check'] / of['run']:.2f}"]
        for of in together
    ]
    write(["", "check: whole run", "measured", "check to run"], rows)
