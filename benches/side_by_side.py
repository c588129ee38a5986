#!/usr/bin/env python3
"""Compares two skiplane binaries, in turns in one run: opening a log with and without an index, keys, memory, listing,
a training step, the whole of a short experiment, and what its log takes.

    cargo build --release
    benches/side_by_side.py BEFORE target/release/skiplane RUN.. [--rounds N] [--steps N]

RUN is a folder of a run that both can read; it is copied first. Each figure is the median of the rounds, the ratio that
of the medians of now to before, and the range that of the ratios round by round. Needs Python's standard library alone.
"""
import argparse, json, os, pty, re, resource, select, shutil, statistics, subprocess, sys, tempfile, time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("before", type=Path)
parser.add_argument("now", type=Path)
parser.add_argument("runs", type=Path, nargs="+")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=40, help="of the default experiment")
parser.add_argument("--keys", type=int, default=300)
arguments = parser.parse_args()
BINARIES = {"before": arguments.before.resolve(), "now": arguments.now.resolve()}


def run(binary, *words):
    """Seconds and greatest memory in bytes of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([binary, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{binary} {' '.join(map(str, words))} ended with {status}: {errors.decode()}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def forget_indexes(root):
    for index in root.glob("*/*.index"):
        index.unlink()


def snapshot(binary, root, view):
    return run(binary, "snapshot", "latest", "--runs", root, "--view", view, "--size", "120x40")


def keys(binary, root):
    """Seconds of processor that a key takes in the dashboard of a run: moves, views, statistics."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.execv(binary, [str(binary), "review", "latest", "--runs", str(root)])

    def drain(quiet):
        while select.select([terminal], [], [], quiet)[0]:
            try:
                if not os.read(terminal, 1 << 16):
                    return
            except OSError:
                return

    def cpu():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    drain(1.0)
    start = cpu()
    for at in range(arguments.keys):
        os.write(terminal, [b"\x1b[D", b"3", b"s", b"\x1b[A", b"1", b"\x1b[D", b"4", b"2"][at % 8])
        drain(0.02)
    took = (cpu() - start) / arguments.keys
    os.write(terminal, b"q")
    drain(0.3)
    os.close(terminal)
    os.waitpid(pid, 0)
    return took


def train(binary, root):
    """Seconds of the default experiment, the median step in seconds, and bytes a layer and step of its log."""
    seconds, _ = run(binary, "train", "--headless", "--runs", root, "--steps", arguments.steps, "--name", "timed")
    newest = max(root.glob("*timed*"), key=lambda folder: folder.stat().st_mtime)
    steps, sizes = [], []
    for log in newest.glob("*.jsonl"):
        for line in log.read_bytes().splitlines():
            found = re.search(rb'"step_ms":([0-9.e-]+)', line)
            if found:
                steps.append(float(found[1]) / 1e3)
                sizes.append(len(line) + 1)
    shutil.rmtree(newest)
    return seconds, statistics.median(steps), statistics.median(sizes)


def round_of(binary, root, listed, scratch):
    figures = {}
    for view in ["overview", "heatmap"]:
        forget_indexes(root)
        figures[f"open without index, {view}, s"], memory = snapshot(binary, root, view)
        figures[f"open with index, {view}, s"], _ = snapshot(binary, root, view)
        figures[f"memory without index, {view}, MB"] = memory / 1e6
    figures["key, ms of processor"] = keys(binary, root) * 1e3
    figures["list of runs, s"] = run(binary, "runs", "--json", "--runs", listed)[0]
    seconds, step, size = train(binary, scratch)
    figures["default experiment, s"], figures["training step, ms"] = seconds, step * 1e3
    figures["record of a step, bytes"] = size
    return figures


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    roots = {name: folder / name for name in BINARIES}
    for root in roots.values():
        for run_folder in arguments.runs:
            shutil.copytree(run_folder, root / run_folder.name)
            os.utime(root / run_folder.name)
    listed, scratch = folder / "listed", folder / "scratch"
    scratch.mkdir()
    small = min(arguments.runs, key=lambda run: sum(file.stat().st_size for file in run.glob("*.jsonl")))
    for at in range(200):
        shutil.copytree(small, listed / f"{small.name}-{at:03}", copy_function=os.link)
    rounds = {name: [] for name in BINARIES}
    for turn in range(arguments.rounds):
        # Who begins takes turns, too.
        for name in sorted(BINARIES, reverse=turn % 2 == 1):
            rounds[name].append(round_of(BINARIES[name], roots[name], listed, scratch))
    print(f"{'':36} {'before':>10} {'now':>10} {'ratio':>7}   round by round")
    for figure in rounds["now"][0]:
        before, now = ([found[figure] for found in rounds[name]] for name in ["before", "now"])
        middle = [statistics.median(values) for values in (before, now)]
        ratios = sorted(n / b for n, b in zip(now, before) if b > 0)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if ratios else ""
        print(f"{figure:36} {middle[0]:>10.4g} {middle[1]:>10.4g} {middle[1] / middle[0]:>7.3f}   {spread}")
